curl 'http://127.0.0.1:3000/login' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64)' ;
curl 'http://127.0.0.1:3000/login' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -H 'Content-Type: application/x-www-form-urlencoded' \
  -H 'Origin: http://127.0.0.1:3000' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac1' \
  --data-raw 'csrf_token=11ac5bd6a6a44f7aa3c1d7f6a8ef1c5a4f9ad45a&user=alice' ;
curl 'http://127.0.0.1:3000/' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac2' ;
curl 'http://127.0.0.1:3000/vote' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -H 'Content-Type: application/x-www-form-urlencoded' \
  -H 'Origin: http://127.0.0.1:3000' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac2' \
  --data-raw 'csrf_token=11ac5bd6a6a44f7aa3c1d7f6a8ef1c5a4f9ad45a' ;
curl 'http://127.0.0.1:3000/' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac3' ;
curl 'http://127.0.0.1:3000/vote' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -H 'Content-Type: application/x-www-form-urlencoded' \
  -H 'Origin: http://127.0.0.1:3000' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac3' \
  --data-raw 'csrf_token=11ac5bd6a6a44f7aa3c1d7f6a8ef1c5a4f9ad45a' ;
curl 'http://127.0.0.1:3000/' \
  -H 'Accept: text/html,application/xhtml+xml' \
  -b 'mojolicious=eyJjc3JmX3Rva2VuIjoiMTFhYyJ9--5d1ac4'
