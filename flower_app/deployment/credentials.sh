#!/bin/sh
# A certificate authority of your own, and a server certificate that it signs.
#   credentials.sh FOLDER NAMES      NAMES as OpenSSL writes them: DNS:fl.example.org,IP:192.0.2.7
# ca.crt goes to every node. server.crt and server.key stay on the server; ca.key belongs in a safe.
set -eu
umask 077
folder=$1 names=$2
mkdir -p "$folder"
cd "$folder"
if [ -e ca.key ]; then echo "$folder holds a ca.key already: move it away, or the nodes will not know the new one" >&2; exit 1; fi

curve=ec_paramgen_curve:P-384
openssl req -x509 -newkey ec -pkeyopt $curve -noenc -days 3650 -subj "/CN=fedsparse CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey ec -pkeyopt $curve -noenc -subj "/CN=fedsparse server" -addext "subjectAltName=$names" \
    -keyout server.key -out server.csr 2>/dev/null
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -copy_extensions copy \
    -out server.crt 2>/dev/null
rm server.csr
chmod 644 ca.crt server.crt
openssl verify -CAfile ca.crt server.crt
