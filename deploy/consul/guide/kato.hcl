service {
  name = "kato"
  id   = "kato-1"
  port = 8000

  tags = ["v3", "memory-service", "prediction"]

  check {
    http     = "http://localhost:8000/health"
    interval = "10s"
    timeout  = "2s"
  }

  connect {
    sidecar_service {
      proxy {
        upstreams = [
          {
            destination_name = "clickhouse"
            local_bind_port  = 9000
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
