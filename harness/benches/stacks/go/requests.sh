curl -c jar -X POST localhost:8080/api/login -d '{"user": "alice"}'
curl -b jar -X POST localhost:8080/api/count
curl -b jar -X POST localhost:8080/api/count
curl -b jar localhost:8080/api/me
