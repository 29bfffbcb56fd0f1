curl http://localhost:8000/token -H 'Content-Type: application/json' -d '{"user": "alice"}'
curl -X POST http://localhost:8000/steps -H 'Authorization: Bearer Vq0P2rB6cJ5xkXo3hDfLwYt8uGmNzSaE1iT7bKpRj4Q'
curl -X POST http://localhost:8000/steps -H 'Authorization: Bearer Vq0P2rB6cJ5xkXo3hDfLwYt8uGmNzSaE1iT7bKpRj4Q'
curl http://localhost:8000/steps -H 'Authorization: Bearer Vq0P2rB6cJ5xkXo3hDfLwYt8uGmNzSaE1iT7bKpRj4Q'
