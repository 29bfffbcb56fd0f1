curl -c jar -d user=alice http://localhost:8080/login
curl -b jar -X POST http://localhost:8080/like
curl -b jar -X POST http://localhost:8080/like
curl -b jar http://localhost:8080/me
