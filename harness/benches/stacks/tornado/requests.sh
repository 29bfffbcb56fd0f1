curl -L -c jar http://localhost:8888/login -d name=alice
curl -L -b jar -X POST http://localhost:8888/click
curl -L -b jar -X POST http://localhost:8888/click
curl -b jar http://localhost:8888/
curl -b jar -X POST http://localhost:8888/logout
