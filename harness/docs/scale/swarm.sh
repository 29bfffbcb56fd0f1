#!/bin/sh
# A replicated job of 8 shards, one on each node at a time, with a volume that all nodes share. Afterwards:
#   comeback merge shards/* --out whole     (on a copy of the volume)
# Swarm fills in placeholders in --env and not in the command. The slots of a job begin at 0.
docker service create --name comeback --mode replicated-job --replicas 8 \
    --restart-condition none --workdir /work \
    --mount type=volume,source=shards,target=/shards \
    --reserve-cpu 2 --limit-cpu 2 \
    --env SLOT='{{.Task.Slot}}' \
    registry.example/shop-with-comeback:1 sh -c '
        shard=$((SLOT + 1))
        comeback run shop.toml --seed 7 --shard "$shard/8" --quiet --out "/shards/$shard"
        code=$?; case $code in 1 | 3) exit 0 ;; *) exit "$code" ;; esac'
