"""Which exception class means which error word, by names alone: nothing is imported to ask (standard library only).

A class is looked up as `<top package>.<class name>` along its MRO, so a library's own subclass wins over its base and
a user's subclass inherits the word of what it extends. Besides the words of `model.ERRORS` there are two:
`status` (an HTTP status says whether 4xx or 5xx) and `cause` (a wrapper: what it wraps says what it was).

`reset` is a connection that the peer ended before an answer began, whether by RST or by a clean close, as in Envoy's
`retryOn: reset`; an answer that began and is cut or is no HTTP is `protocol_error`.
"""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES: Mapping[str, Mapping[str, str]] = {
    "httpx": {
        "connect_error": "ConnectError ProxyError",
        "connect_timeout": "ConnectTimeout",
        "read_timeout": "TimeoutException ReadTimeout WriteTimeout",
        "pool_timeout": "PoolTimeout",
        "reset": "NetworkError ReadError WriteError CloseError",
        "cause": "HTTPError RequestError TransportError",
        "protocol_error": "ProtocolError RemoteProtocolError TooManyRedirects",
        "status": "HTTPStatusError",
        "decode": "DecodingError",
        "client_bug": "LocalProtocolError UnsupportedProtocol InvalidURL CookieConflict StreamError",
    },
    "httpcore": {
        "connect_error": "ConnectError ProxyError",
        "connect_timeout": "ConnectTimeout",
        "read_timeout": "TimeoutException ReadTimeout WriteTimeout",
        "pool_timeout": "PoolTimeout ConnectionNotAvailable",
        "reset": "NetworkError ReadError WriteError",
        "protocol_error": "ProtocolError RemoteProtocolError",
        "client_bug": "LocalProtocolError UnsupportedProtocol",
    },
    "h11": {"protocol_error": "ProtocolError RemoteProtocolError", "client_bug": "LocalProtocolError"},
    "requests": {
        "cause": "RequestException ConnectionError ChunkedEncodingError",
        "connect_error": "ProxyError SSLError",
        "connect_timeout": "ConnectTimeout",
        "read_timeout": "Timeout ReadTimeout",
        "status": "HTTPError",
        "retry_exhausted": "RetryError",
        "protocol_error": "TooManyRedirects",
        "decode": "JSONDecodeError ContentDecodingError",
        "client_bug": "URLRequired MissingSchema InvalidSchema InvalidURL InvalidHeader InvalidProxyURL "
        "InvalidJSONError StreamConsumedError UnrewindableBodyError CookieConflictError RequestsWarning",
    },
    "urllib3": {
        "cause": "HTTPError MaxRetryError ProtocolError RequestError PoolError",
        "connect_error": "NewConnectionError NameResolutionError ProxyError SSLError CertificateError",
        "connect_timeout": "ConnectTimeoutError",
        "read_timeout": "TimeoutError ReadTimeoutError",
        "pool_timeout": "EmptyPoolError FullPoolError",
        "retry_exhausted": "ResponseError",
        "protocol_error": "IncompleteRead InvalidChunkLength ResponseNotChunked HeaderParsingError InvalidHeader "
        "BodyNotHttplibCompatible",
        "decode": "DecodeError",
        "client_bug": "ClosedPoolError HostChangedError LocationValueError LocationParseError URLSchemeUnknown "
        "ProxySchemeUnknown ProxySchemeUnsupported TimeoutStateError UnrewindableBodyError HTTPWarning",
    },
    "aiohttp": {
        "cause": "ClientError ClientConnectionError ClientOSError ServerConnectionError ClientPayloadError",
        "connect_error": "ClientConnectorError ClientConnectorDNSError ClientProxyConnectionError ClientSSLError "
        "UnixClientConnectorError ClientConnectorSSLError ClientConnectorCertificateError ServerFingerprintMismatch "
        "ClientHttpProxyError",
        "connect_timeout": "ConnectionTimeoutError",
        "read_timeout": "ServerTimeoutError SocketTimeoutError",
        "reset": "ServerDisconnectedError ClientConnectionResetError EofStream",
        "protocol_error": "HttpProcessingError TooManyRedirects WSServerHandshakeError WSHandshakeError WebSocketError "
        "RequestPayloadError PayloadAccessError RedirectClientError",
        "status": "ClientResponseError HTTPException",
        "decode": "ContentTypeError ContentEncodingError DecompressSizeError TooManyMembersError",
        "client_bug": "InvalidURL InvalidUrlClientError NonHttpUrlClientError UploadAbortedError WSMessageTypeError "
        "CleanupError LookupError BadContentDispositionHeader BadContentDispositionParam NotAppKeyWarning",
        "cancelled": "GracefulExit",
    },
    "pybreaker": {"breaker_open": "CircuitBreakerError"},
    "aiobreaker": {"breaker_open": "CircuitBreakerError"},
    "circuitbreaker": {"breaker_open": "CircuitBreakerError"},
    "tenacity": {"retry_exhausted": "RetryError TryAgain"},
    "anyio": {"reset": "BrokenResourceError EndOfStream", "client_bug": "ClosedResourceError BusyResourceError"},
    "gevent": {"read_timeout": "Timeout", "cancelled": "GreenletExit LoopExit", "client_bug": "BlockingSwitchOutError"},
    "greenlet": {"cancelled": "GreenletExit"},
    "locust": {"cancelled": "StopUser RescheduleTask InterruptTaskSet"},
    "asyncio": {"cancelled": "CancelledError", "protocol_error": "IncompleteReadError LimitOverrunError"},
    "concurrent": {"cancelled": "CancelledError", "client_bug": "BrokenExecutor InvalidStateError"},
    "http": {
        "reset": "RemoteDisconnected",
        "protocol_error": "HTTPException BadStatusLine IncompleteRead LineTooLong UnknownProtocol",
        "client_bug": "ImproperConnectionState InvalidURL NotConnected",
    },
    "urllib": {"status": "HTTPError", "cause": "URLError ContentTooShortError"},
    "socket": {"connect_error": "gaierror herror"},
    "ssl": {"connect_error": "SSLError"},
    "json": {"decode": "JSONDecodeError"},
    "httptools": {"protocol_error": "HttpParserError"},
    "simplejson": {"decode": "JSONDecodeError"},
    "orjson": {"decode": "JSONDecodeError"},
    "msgspec": {"decode": "DecodeError ValidationError"},
    "pydantic_core": {"decode": "ValidationError"},
    "zlib": {"decode": "error"},
    "builtins": {
        "connect_error": "ConnectionRefusedError",
        "reset": "ConnectionResetError ConnectionAbortedError BrokenPipeError EOFError",
        "read_timeout": "TimeoutError",
        "decode": "UnicodeDecodeError",
        "cancelled": "KeyboardInterrupt SystemExit GeneratorExit",
        "client_bug": "TypeError AttributeError NameError LookupError ArithmeticError AssertionError ImportError "
        "MemoryError RecursionError NotImplementedError SyntaxError StopIteration StopAsyncIteration BufferError "
        "ReferenceError SystemError FileNotFoundError PermissionError IsADirectoryError NotADirectoryError Warning",
        "cause": "OSError ConnectionError ValueError RuntimeError BaseExceptionGroup",
    },
}  # fmt: skip

WORDS: Mapping[str, str] = {
    f"{package}.{name}": word
    for package, words in _CLASSES.items()
    for word, names in words.items()
    for name in names.split()
}
"""`<top package>.<class name>` to its word."""

WRAPPERS: Mapping[str, tuple[str, ...]] = {
    key: tuple(words.split())
    for key, words in {
        "httpx.HTTPError": "protocol_error",
        "httpx.RequestError": "protocol_error",
        "httpx.TransportError": "protocol_error",
        "requests.RequestException": "protocol_error",
        "requests.ConnectionError": "connect_error reset",
        "requests.ChunkedEncodingError": "protocol_error reset",
        "urllib3.HTTPError": "protocol_error",
        "urllib3.MaxRetryError": "retry_exhausted",
        "urllib3.ProtocolError": "protocol_error reset",
        "urllib3.RequestError": "protocol_error",
        "urllib3.PoolError": "pool_timeout",
        "aiohttp.ClientError": "protocol_error",
        "aiohttp.ClientConnectionError": "reset",
        "aiohttp.ClientOSError": "reset",
        "aiohttp.ServerConnectionError": "reset",
        "aiohttp.ClientPayloadError": "protocol_error reset",
        "urllib.URLError": "connect_error reset",
        "urllib.ContentTooShortError": "protocol_error",
        "builtins.OSError": "connect_error",
        "builtins.ConnectionError": "reset",
        "pybreaker.CircuitBreakerError": "breaker_open",
        "aiobreaker.CircuitBreakerError": "breaker_open",
    }.items()
}
"""What a wrapper may stand for; the first word counts when nothing inside it says more. Others: client_bug."""


def name_of(kind: type) -> str:
    """`<top package>.<class name>` of a class."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def key_of(kind: type) -> str | None:
    """The first class along the MRO that the table knows, as `<top package>.<class name>`; None where none is."""
    return next((key for parent in kind.__mro__ if (key := name_of(parent)) in WORDS), None)


def word_of(kind: type) -> str | None:
    """The word of an exception class, `status` or `cause`; None for a class that extends nothing known."""
    key = key_of(kind)
    return None if key is None else WORDS[key]


def words_under(kind: type) -> tuple[str, ...]:
    """The error words that `except kind` would catch among the classes loaded now, sorted, each once.

    `status` is given as `4xx` and `5xx`. For reading retry and breaker settings that name exception classes.
    """
    found: set[str] = set()
    kinds = [kind]
    seen: set[type] = set()
    while kinds:
        here = kinds.pop()
        if here in seen:
            continue
        seen.add(here)
        found.update(_meanings(key_of(here)))
        kinds.extend(type.__subclasses__(here))
    return tuple(sorted(found))


def _meanings(key: str | None) -> tuple[str, ...]:
    if key is None:
        return ()
    word = WORDS[key]
    if word == "cause":
        return WRAPPERS.get(key, ())
    return ("4xx", "5xx") if word == "status" else (word,)
