curl -c jar -X POST http://localhost:8000/login -H 'Content-Type: application/json' -d '{"username": "alice", "password": "secret"}'
curl -b jar -X POST http://localhost:8000/notes
curl -b jar -X POST http://localhost:8000/notes
curl -b jar http://localhost:8000/notes
curl -b jar -X POST http://localhost:8000/logout
