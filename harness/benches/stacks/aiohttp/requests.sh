curl -c jar -d name=alice http://localhost:8080/login
curl -b jar -c jar -X POST http://localhost:8080/drink
curl -b jar -c jar -X POST http://localhost:8080/drink
curl -b jar http://localhost:8080/me
