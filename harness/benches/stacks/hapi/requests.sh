curl -c jar http://localhost:3000/login -H 'Content-Type: application/json' -d '{"name": "alice"}'
curl -b jar -c jar -X POST http://localhost:3000/apples
curl -b jar -c jar -X POST http://localhost:3000/apples
curl -b jar http://localhost:3000/apples
curl -b jar -X POST http://localhost:3000/logout
