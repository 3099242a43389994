# The container's HAProxy on this machine: docker/edge.sed changes the shipped file, and docker/haproxy-start starts
# it. HAProxy verifies name and authority of a provider with TLS; plain text needs an explicit setting. HAProxy is
# healthy if the daemon responds.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
end_haproxy() { # waits until this HAProxy has ended, so that the next one gets the requests
	local pid
	pid=$(pid_of haproxy)
	kill "$pid" 2>/dev/null
	wait_for gone "$pid"
}
end_haproxy
read -r port health tls < <("$build/stackhelp" ports 3)

# ---- two authorities, and a provider with TLS ----
for ca in ca other; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$ca" -keyout "$D/$ca.key" -out "$D/$ca.pem" 2>/dev/null
done
cert() { # FILE NAME CA
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=x" -keyout "$D/$1.key" -out "$D/$1.csr" 2>/dev/null
	openssl x509 -req -in "$D/$1.csr" -CA "$D/$3.pem" -CAkey "$D/$3.key" -CAcreateserial -days 2 -extfile <(echo "subjectAltName=DNS:$2") -out "$D/$1.crt" 2>/dev/null
	cat "$D/$1.crt" "$D/$1.key" >"$D/$1.both"
}
cert good provider.example.com ca
cert elsewhere elsewhere.example.com ca
cert stranger provider.example.com other
provider_tls() { # CERT
	[ -n "${front:-}" ] && kill "$front" && wait "$front" 2>/dev/null
	cat >"$D/front.cfg" <<END
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 2s
listen front
    bind 127.0.0.1:$tls ssl crt $D/$1.both
    http-request set-header x-seen-sni %[ssl_fc_sni]
    server p ${PROVIDER#http://}
END
	"$HAPROXY_BIN" -db -f "$D/front.cfg" >"$D/front.log" 2>&1 &
	front=$!
	note_pid $front front
	wait_for curl -sk -o /dev/null "https://127.0.0.1:$tls/"
}

# ---- A name server. Each name of example.com also has an IPv6 address that does not respond. It also serves the
# names of a cluster's Services, by their full names only. ----
python3 - >"$D/dns.port" <<'PY' &
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
A, AAAA = b"\0\1", b"\0\x1c"
address = {A: bytes([127, 0, 0, 1]), AAAA: bytes([1]) + bytes(14) + bytes([1])}
while True:
	query, client = s.recvfrom(4096)
	end = query.index(0, 12) + 5 # the end of the name, its type and its class
	labels, i = [], 12
	while query[i]:
		labels.append(query[i + 1:i + 1 + query[i]].decode().lower())
		i += 1 + query[i]
	if labels[-2:] != ["example", "com"] and labels != ["provider", "edges", "svc", "cluster", "local"]:
		s.sendto(query[:2] + b"\x81\x83\0\1" + bytes(6) + query[12:end], client) # NXDOMAIN
		continue
	a = address.get(query[end - 4:end - 2])
	record = b"\xc0\x0c" + query[end - 4:end] + bytes([0, 0, 0, 60, 0, len(a)]) + a if a else b""
	s.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([bool(a)]) + bytes(4) + query[12:end] + record, client)
PY
note_pid $! dns
wait_for test -s "$D/dns.port"

# ---- the container's HAProxy ----
mkdir "$D/in"
sed -f "$root/docker/edge.sed" "$root/haproxy/haproxy.cfg" >"$D/in/edge.cfg"
cp "$root"/haproxy/{tollgate.cfg,spoe.cfg,503.http,origins.lst} "$root/docker/health.cfg" "$D/in/"
sed -i -e "s#/etc/haproxy/tollgate/#$D/in/#g" -e "s#unix@/run/tollgate/inner.sock mode 660 user haproxy group tollgate#unix@$SOCKETS/inner.sock#" \
	-e "s#presetenv TOLLGATE_SOCKETS .*#setenv TOLLGATE_SOCKETS $SOCKETS#" -e "s#bind :8080#bind 127.0.0.1:$port#" -e "s#bind :8405#bind 127.0.0.1:$health#" "$D"/in/*
sed -i "s#^ *parse-resolv-conf#    nameserver own 127.0.0.1:$(cat "$D/dns.port")\n    hold nx 1s\n    hold valid 1s\n    timeout resolve 1s#" "$D/in/edge.cfg"
EDGE=http://127.0.0.1:$port
begin() { # PROVIDER [PROVIDER_CA]
	end_haproxy
	PROVIDER=$1 PROVIDER_CA=${2:-} LOCAL_API_KEY=sk-of-the-company HAPROXY=$HAPROXY_BIN setsid "$root/docker/haproxy-start" \
		-f "$D/in/edge.cfg" -f "$D/in/tollgate.cfg" -f "$D/in/health.cfg" </dev/null >"$D/edge.log" 2>&1 &
	note_pid $! haproxy
	wait_for says 200 ask_health
	[[ $1 != *example.com* ]] || wait_for grep -qE 'local/local changed its IP .* by dns|Server local/local .*READY' "$D/edge.log"
}
ask_health() { curl -s -m 90 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$health/healthz"; }
auth="authorization: Bearer $(token)" json='content-type: application/json'
ask() { req POST "/api/$1/x" -H "$auth" -H "$json" -d '{"to":"jane.doe@example.com"}'; }

begin "http://${PROVIDER#http://}"
# HAProxy 3.4 warns if it runs as root, which it does not in the container.
unlike "HAProxy starts without a warning" "$(grep -v 'was started as \(the \)\?root' "$D/edge.log")" 'WARNING|ALERT'
ask direct
like "in plain text: the prompt is redacted, and the provider gets the company's key" "$status $(seen)" '^200 .*"authorization":"Bearer sk-of-the-company".*EMAIL_ADDRESS_1'
provider_tls good
begin "https://provider.example.com:$tls" "$D/ca.pem"
for way in direct relay; do
	ask $way
	like "over TLS, $way" "$status $(seen)" "^200 .*\"host\":\"provider.example.com:$tls\".*\"x-seen-sni\":\"provider.example.com\".*EMAIL_ADDRESS_1|^200 .*\"x-seen-sni\":\"provider.example.com\".*EMAIL_ADDRESS_1"
	like "$way: the Host field has the provider's name" "$(seen)" "\"host\":\"provider.example.com:$tls\""
	unlike "$way: the provider does not get the caller's token" "$(seen)" "${auth##* }"
done
forget
provider_tls elsewhere
ask direct
is "a certificate with another name is a 503" "$status" 503
provider_tls stranger
ask relay
is "a certificate of another authority is a 503" "$status" 503
unlike "that provider received nothing" "$(seen 5)" 'sk-of-the-company|POST|EMAIL'
provider_tls good
begin "https://provider.example.com:$tls"
ask direct
is "a certificate of an authority that the system does not know is a 503" "$status" 503
unlike "that provider received nothing either" "$(seen 5)" 'sk-of-the-company|POST|EMAIL'

# ---- in a cluster: the name in kubernetes.yaml, in the namespace "edges" ----
named=$(sed -nE 's/.*\{name: PROVIDER, value: "(.*):[0-9]+"\}.*/\1/p' "$root/docker/kubernetes.yaml" | sed 's/\$(NAMESPACE)/edges/')
begin "$named:${PROVIDER##*:}"
is_up() { ask direct && [ "$status" = 200 ]; }
check "the provider of kubernetes.yaml is found by its name ($named)" wait_for is_up
sleep 4 # HAProxy caches a negative response of the name server for one second
ask direct
is "the name still works after it was resolved again" "$status" 200
begin "provider:${PROVIDER##*:}"
sleep 4
ask direct
is "a name without its domain is not found (as in a cluster)" "$status" 503

# ---- values of PROVIDER ----
said() { PROVIDER=$1 PROVIDER_CA=${2:-} HAPROXY=/bin/true "$root/docker/haproxy-start" 2>&1; echo " $?"; }
for bad in '' host https://a/v1 https://user:hunter2@a http://h:x a:b:c https://h: 'a b:1'; do
	like "PROVIDER=$bad is refused" "$(said "$bad" | tr -d '\n')" '^haproxy-start: PROVIDER: .* 2$'
	unlike "the refused value is not printed" "$(said "$bad")" 'hunter2'
done
like "a missing file in PROVIDER_CA is refused" "$(said https://a /nowhere | tr -d '\n')" '^haproxy-start: PROVIDER_CA: /nowhere: .* 2$'
is "other values are accepted" "$(for good in https://a https://a.b:1/ http://a a:1 10.0.0.1:80; do said "$good" "$D/ca.pem"; done | tr -d '\n')" " 0 0 0 0 0"

# ---- health ----
sed "s#/8405#/$health#" "$root/docker/haproxy-health" >"$D/health"
is "HAProxy is healthy" "$(ask_health) $(bash "$D/health"; echo $?)" "200 0"
is "the health port serves no requests" "$(curl -s "http://127.0.0.1:$health/v1/models" -o /dev/null -w '%{http_code}')" 404
killed tollgate
wait_for says 503 ask_health
is "without the daemon, it is unhealthy" "$(ask_health) $(bash "$D/health"; echo $?)" "503 1"
end_haproxy
wait_for gone "$(pid_of haproxy)"
is "without HAProxy, it is unhealthy" "$(bash "$D/health" 2>/dev/null; echo $?)" 1
exit $failed
