curl -c jar http://localhost:3000/session -d username=alice
curl -b jar -c jar -X POST http://localhost:3000/click
curl -b jar -c jar -X POST http://localhost:3000/click
curl -b jar http://localhost:3000/profile
curl -b jar -X DELETE http://localhost:3000/session
