curl -c jar -X POST http://localhost:3000/login -H 'Content-Type: application/json' -d '{"name": "alice"}'
curl -b jar -X POST http://localhost:3000/basket/add
curl -b jar -X POST http://localhost:3000/basket/add
curl -b jar http://localhost:3000/basket
curl -b jar -X POST http://localhost:3000/logout
