# The harness with Toxiproxy on its PATH; docker-compose.yml runs both from this one image.

FROM golang:1.26-bookworm AS toxiproxy
ARG TOXIPROXY=2.12.0
RUN go install -ldflags "-X github.com/Shopify/toxiproxy/v2.Version=${TOXIPROXY}" \
    "github.com/Shopify/toxiproxy/v2/cmd/server@v${TOXIPROXY}"

FROM python:3.11-slim-bookworm
COPY --from=toxiproxy /go/bin/server /usr/local/bin/toxiproxy-server
WORKDIR /opt/kato-harness
COPY . .
# The locked versions of what the package itself needs; the lock's other half is for development.
RUN sed -e '/--hash/d' -e 's/ *\\$//' requirements.lock > constraints.txt \
    && pip install --no-cache-dir --constraint constraints.txt .
RUN useradd --create-home kato && install --directory --owner=kato /runs
USER kato
CMD ["kato-harness", "--help"]
