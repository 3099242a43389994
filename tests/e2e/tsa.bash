# A time-stamp authority by `openssl ts` in $D/out, and a server that accepts notes: $http/tsr, $http/notes.
mkdir -p "$D/out"
cat >"$D/out/tsa.cnf" <<'CNF'
[req]
prompt=no
distinguished_name=dn
[dn]
CN=a TSA
[tsa_ext]
extendedKeyUsage=critical,timeStamping
[tsa1]
serial=./serial
signer_cert=./tsa.crt
signer_key=./tsa.key
signer_digest=sha256
default_policy=1.2.3.4.1
digests=sha256
ess_cert_id_alg=sha256
CNF
(cd "$D/out" && echo 01 >serial && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.crt \
	-days 2 -config tsa.cnf -extensions tsa_ext) 2>"$D/openssl.log"
node "$here/anchors.mjs" "$D/out" >"$D/places.log" 2>&1 &
places=$!
wait_for test -s "$D/out/port"
http=http://127.0.0.1:$(<"$D/out/port")
