service {
  name    = "kato"
  id      = "kato-1"
  address = "10.0.0.11"
  port    = 8000

  tags = ["v3", "memory-service", "prediction"]

  check {
    id                                = "kato-alive"
    http                              = "http://localhost:8000/health"
    interval                          = "10s"
    timeout                           = "2s"
    deregister_critical_service_after = "10m"
  }

  # /health answers 200 with every store down, so the stores are asked too (needs enable_local_script_checks).
  check {
    id       = "kato-stores"
    args     = ["python3", "/etc/consul.d/check_stores.py"]
    interval = "10s"
    timeout  = "5s"
  }

  connect {
    sidecar_service {
      proxy {
        upstreams = [
          {
            destination_name = "clickhouse-http"
            local_bind_port  = 8123
          },
          {
            destination_name = "redis"
            local_bind_port  = 6379
          },
          {
            destination_name = "qdrant"
            local_bind_port  = 6333
          }
        ]
      }
    }
  }
}
