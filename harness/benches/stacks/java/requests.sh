curl -c jar -d name=alice http://localhost:8080/login
curl -b jar -X POST http://localhost:8080/play
curl -b jar -X POST http://localhost:8080/play
curl -b jar http://localhost:8080/score
