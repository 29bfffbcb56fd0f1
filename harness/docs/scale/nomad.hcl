# A batch job of 8 shards, each on a client of its own, with a folder that all clients share. Afterwards:
#   comeback merge /srv/shards/* --out whole
job "comeback" {
  type = "batch"
  group "shards" {
    count = 8
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      unlimited = false
    }
    task "shard" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args = ["-c", <<-END
          cd /srv/shop && comeback run shop.toml --seed 7 --shard auto/8 --quiet --out "/srv/shards/$NOMAD_ALLOC_INDEX"
          code=$?; case $code in 1 | 3) exit 0 ;; *) exit "$code" ;; esac
        END
        ]
      }
    }
  }
}
