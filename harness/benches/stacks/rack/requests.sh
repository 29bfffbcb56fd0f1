curl -c jar -d user=alice http://localhost:9292/login
curl -b jar -X POST http://localhost:9292/stars
curl -b jar -X POST http://localhost:9292/stars
curl -b jar http://localhost:9292/stars
