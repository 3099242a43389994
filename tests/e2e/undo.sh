# tollgate init --undo removes what init wrote from existing files, to the byte, and keeps later changes. If it cannot
# be certain, it names the line and writes nothing.
# Once: it tries 34 forms of the stanza; init.sh and bolt-on.sh test that each version of HAProxy accepts what init
# writes.
# Late: it runs init dozens of times.
. "$(dirname "$0")/lib.sh"

haproxy=${HAPROXY_BIN:-haproxy}
etc=$D/root/etc
cfg=$etc/haproxy/haproxy.cfg
extra=$etc/default/haproxy
mkdir -p "$etc/haproxy" "$etc/default"
# a file without tollgate
cat >"$D/person.cfg" <<'EOF'
# the edge of a company
global
    chroot /var/lib/haproxy
    user haproxy
    group haproxy

defaults
    mode http
    log global
    option forwardfor
    timeout http-request 10s
    timeout connect 5s
    timeout client 60s
	timeout server 50s

frontend www
    bind :8080   # all of it
    acl staff path_beg /staff/
    http-request set-header x-edge one
    use_backend openai if { path_beg /v1/ }
    use_backend local if { path_beg /own/ }

    # the rest
    default_backend site

backend site
    http-request return status 200 content-type text/plain string site

backend openai
    http-request set-header authorization "Bearer sk-openai"
    server openai 127.0.0.1:1 check

backend anthropic
    http-request set-header x-api-key sk-anthropic
    server anthropic 127.0.0.1:1 check

backend local
    http-request set-header authorization "Bearer sk-local"
    server local 127.0.0.1:1 check
EOF
sed -i 's/^\\t/\t/' "$D/person.cfg"
printf '# Defaults\nCONFIG="/etc/haproxy/haproxy.cfg"\nEXTRAOPTS='"'-S /run/own.sock'"'   # mine\n' >"$D/extra"
fresh() {
	rm -rf "$etc"
	mkdir -p "$etc/haproxy" "$etc/default"
	cp "${1:-$D/person.cfg}" "$cfg"
	cp "$D/extra" "$extra"
}
lay() {
	"$B/tollgate" init --root "$D/root" --host ai.example.com --backend openai=openai \
		--backend anthropic=anthropic --backend local=rest --haproxy-binary "${lay_with:-true}" --close-others --write "$@" >"$D/laid" 2>"$D/lay.err"
}
undo() {
	"$B/tollgate" init --undo --root "$D/root" --haproxy-binary "$haproxy" "$@" >"$D/out" 2>"$D/err"
	code=$?
}
same() { if cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1" "$(diff "$2" "$3" | head -5)"; fi; }
untouched() { same "$1: nothing is written" "$cfg" "$D/laid.cfg"; }

fresh
undo --write
is "without a stanza there is nothing to remove" "$code $(cat "$D/out")" "0 Nothing to undo: HAProxy's files have no line of tollgate init."
lay
is "init adds its lines" "$? $(grep -c 'engine tollgate' "$cfg")" "0 1"
cp "$cfg" "$D/laid.cfg"
undo
is "without --write, undo prints the difference" "$code $(grep -c '^-.*filter spoe engine tollgate' "$D/out") $(grep -c '^-.*EXTRAOPTS' "$D/out")" "0 1 1"
untouched "without --write"
is "undo warns once about a backend whose key loses its guard" "$(grep -c 'haproxy.cfg:[0-9]*: backend openai has no guard any more' "$D/out")" 1
undo --write
is "with --write, undo writes" "$code $(cat "$D/err")" "0 "
same "the file is the original, to the byte" "$cfg" "$D/person.cfg"
same "/etc/default/haproxy is the original" "$extra" "$D/extra"
same "a copy with the stanza is kept" "$cfg.with-tollgate" "$D/laid.cfg"
like "undo prints the next step" "$(cat "$D/out")" 'systemctl restart haproxy && systemctl disable --now tollgate'
undo --write
is "a second undo changes nothing" "$code $(cat "$D/out")" "0 Nothing to undo: HAProxy's files have no line of tollgate init."

# Added by hand, without EXTRAOPTS: HAProxy gets the file by another option.
fresh
lay
cp "$D/extra" "$extra"
undo --write
like "if EXTRAOPTS does not change, a reload is sufficient" "$(cat "$D/out")" 'systemctl reload haproxy && systemctl disable --now tollgate$'

# no EXTRAOPTS, and no global section
sed '/^global/,/^$/d' "$D/person.cfg" >"$D/bare.cfg"
fresh "$D/bare.cfg"
printf '# Defaults\n' >"$extra"
lay
is "init adds a global section" "$? $(grep -c '^global' "$cfg")" "0 1"
undo --write
same "a file without a global section is the original again" "$cfg" "$D/bare.cfg"
is "an EXTRAOPTS that init added is removed" "$(cat "$extra")" '# Defaults'

# Options that existed before, here and in defaults, are kept.
sed 's/^    mode http$/&\n    option http-no-delay/; s/^    bind :8080.*/&\n    option idle-close-on-response/; s/^backend local/&\n    timeout server 10m/; s/^global/&\n    tune.maxrewrite 16384/' "$D/person.cfg" >"$D/options.cfg"
fresh "$D/options.cfg"
lay
undo --write
same "existing options and values are kept" "$cfg" "$D/options.cfg"

# later changes
fresh
lay
sed -i 's/^    default_backend site/    http-request add-header x-late 1\n&/; s/^backend site/# a note\n&/; s/server openai 127.0.0.1:1/server openai 127.0.0.1:2/' "$cfg"
sed -i '/filter spoe engine tollgate/s/^/    # mine, in the middle\n    http-request set-header x-mid 1\n/' "$cfg"
sed -i 's#tollgate.cfg"#tollgate.cfg -f /etc/haproxy/tollgate/redis-tls.cfg -q"#' "$extra"
sed 's/^    default_backend site/    http-request add-header x-late 1\n&/; s/^backend site/# a note\n&/; s/server openai 127.0.0.1:1/server openai 127.0.0.1:2/' "$D/person.cfg" |
	sed '/^    http-request set-header x-edge one/s/$/\n    # mine, in the middle\n    http-request set-header x-mid 1/' >"$D/later.cfg"
undo --write
is "later changes do not prevent undo" "$code $(cat "$D/err")" "0 "
same "later changes are kept" "$cfg" "$D/later.cfg"
like "an option that was added to EXTRAOPTS is kept" "$(cat "$extra")" '^EXTRAOPTS="-S /run/own.sock -q"$'

# lines that need a line which undo would remove
for row in \
	'a rule that names the stanza|^    default_backend site|    http-request deny if !tollgate-gated !tollgate-inner|this line needs tollgate-gated' \
	'a route to the relay|^    default_backend site|    use_backend tollgate-relay if { path /x }|this line needs tollgate-relay' \
	'a page of ours|^backend site|backend more\n    errorfile 500 /etc/haproxy/tollgate/origins.lst|this line needs /etc/haproxy/tollgate/' \
	'a section with defaults of ours|^backend site|backend more from tollgate-rest\n|this section uses defaults of tollgate init' \
	'a guard of their own|^backend site|backend more\n    http-request deny unless { var(txn.tollgate.via) -m str direct }|this line needs the gate'; do
	IFS='|' read -r what at line says <<<"$row"
	fresh
	lay
	sed -i "s|$at|$line\n&|" "$cfg"
	cp "$cfg" "$D/laid.cfg"
	undo --write
	is "$what: exit 1" "$code" 1
	like "$what: the error names the line" "$(cat "$D/err")" "haproxy.cfg:$(grep -nF -- "$(tail -1 <<<"$(printf "$line")")" "$cfg" | cut -d: -f1): $says"
	untouched "$what"
done
fresh
lay
sed -i 's/if tollgate-gated !{ ssl_c_used }/& { src 10.0.0.0\/8 }/' "$cfg"
cp "$cfg" "$D/laid.cfg"
undo --write
is "a changed line of the stanza: exit 1" "$code" 1
like "the error names the changed line" "$(cat "$D/err")" "haproxy.cfg:$(grep -n 'src 10.0.0.0/8' "$cfg" | head -1 | cut -d: -f1): this line needs the SPOE engine tollgate"
untouched "a changed line"
fresh
lay
sed -i 's/^frontend www from/frontend edge from/' "$cfg"
cp "$cfg" "$D/laid.cfg"
undo --write
is "a changed line with an earlier value: exit 1" "$code" 1
like "the error names that line" "$(cat "$D/err")" "haproxy.cfg:$(grep -n '^frontend edge' "$cfg" | cut -d: -f1): this line was changed after init"
untouched "a changed line with an earlier value"
# Names that resemble those of tollgate are kept.
fresh
lay
sed -i 's/^    default_backend site/    use_backend tollgate-docs if { path_beg \/docs } { req.hdr(x) tollgate }\n&/' "$cfg"
printf 'backend tollgate-docs\n    server tollgate 127.0.0.1:1\n' >>"$cfg"
undo --write
is "names that only resemble those of tollgate are kept" "$code $(cat "$D/err")" "0 "
# a result that HAProxy refuses
fresh
lay
sed -i 's/^    default_backend site/    use_backend nowhere if { path \/x }\n&/' "$cfg"
cp "$cfg" "$D/laid.cfg"
undo --write
is "HAProxy checks the result" "$code $(grep -c 'haproxy -c refuses the result' "$D/err")" "1 1"
untouched "a result that HAProxy refuses"

# marks
fresh
lay
like "the lines of init stand between marks" "$(cat "$cfg")" '# tollgate: begin stanza'
cp "$cfg" "$D/whole.cfg"
sed -i 's/^    tune.bufsize 262144/    tune.bufsize 262144 # tollgate: was tune.bufsize  32768 # mine/' "$cfg"
undo --write
is "a block between marks is removed, and an earlier value is restored" "$code $(grep -c 'tollgate' "$cfg") $(grep -c '^    tune.bufsize  32768 # mine$' "$cfg")" "0 0 1"
sed 's/^    tune.bufsize 262144.*/    tune.bufsize 65536 # tollgate: was 16384/' "$D/whole.cfg" >"$cfg"
undo --write
is "a value that was changed later is kept" "$code $(grep -c '^    tune.bufsize 65536$' "$cfg")" "0 1"
like "undo names the value" "$(cat "$D/out")" 'haproxy.cfg:[0-9]*: .tune.bufsize 65536. stays, .*before init it was .16384.'
for mark in 'begin stanza' 'end stanza' 'begin guard' 'end global'; do
	awk -v m="# tollgate: $mark" '!(index($0, m) && !n++)' "$D/whole.cfg" >"$cfg"
	cp "$cfg" "$D/laid.cfg"
	undo --write
	is "a missing mark, $mark: exit 1" "$code" 1
	like "a missing mark, $mark: the error names the other one" "$(cat "$D/err")" "haproxy.cfg:[0-9]*: the block that (begins|ends) here has no .# tollgate: (begin|end) ${mark#* }"
	untouched "a missing mark, $mark"
done

# Without a kept copy, lines that are only values are left and named.
fresh
lay
rm "$etc"/haproxy/*.before-tollgate "$etc"/default/*.before-tollgate
sed -i '/# tollgate: \(begin\|end\) /d' "$cfg"
undo --write
is "undo works without a kept copy" "$code $(grep -c 'tollgate' "$cfg")" "0 0"

# --keep-guards keeps the guards, as the package does when it is removed.
fresh
lay
undo --keep-guards --write
is "--keep-guards keeps the guards" "$code $(grep -c 'did not inspect this request' "$cfg") $(grep -c 'tollgate/\|engine tollgate\|tollgate-gated' "$cfg")" "0 3 0"
like "undo names the guards" "$(cat "$D/out")" 'backend openai keeps its guard and answers 503 until you delete the lines with .gateway_unavailable.'
undo --write
same "the next undo removes the guards" "$cfg" "$D/person.cfg"

# A folder of files, as Debian's CONFIG may name one
rm -rf "$etc"
mkdir -p "$etc/haproxy/conf.d" "$etc/default"
printf 'CONFIG="/etc/haproxy/conf.d"\n' >"$extra"
cp "$extra" "$D/extra-folder"
sed '/^frontend www/,$d' "$D/person.cfg" >"$etc/haproxy/conf.d/10-global.cfg"
sed -n '/^frontend www/,/^backend site/{/^backend site/!p}' "$D/person.cfg" >"$etc/haproxy/conf.d/20-www.cfg"
sed -n '/^backend site/,$p' "$D/person.cfg" >"$etc/haproxy/conf.d/30-backends.cfg"
cp -r "$etc/haproxy/conf.d" "$D/conf.d"
lay
is "a folder: init adds its lines" "$? $(grep -l 'tollgate\|tune.bufsize' "$etc"/haproxy/conf.d/*.cfg | wc -l)" "0 3"
undo --write
is "a folder: undo removes them" "$code" 0
for file in "$D"/conf.d/*.cfg; do
	same "a folder: ${file##*/} is the original" "$etc/haproxy/conf.d/${file##*/}" "$file"
done
same "a folder: /etc/default/haproxy is the original" <(grep -v '^EXTRAOPTS="-S /run/haproxy-master.sock"$' "$extra") "$D/extra-folder"

# Stanzas of earlier versions: as init wrote them, and as they were copied by hand, with comments.
piece() { awk -v mark="#--- $2" 'index($0, mark) == 1 { on = 1; next } /^#---/ { on = 0 } on && NF && !/^#/' "$1"; }
older() { # FILE OF PIECES
	while IFS= read -r line; do
		case $line in
		*'use_backend openai if'*) piece "$1" 'the same frontend' ;;
		esac
		printf '%s\n' "$line"
		case $line in
		'    group haproxy') piece "$1" 'your global' ;;
		'    bind :8080'*) piece "$1" 'your frontend' ;;
		'backend openai' | 'backend anthropic' | 'backend local') piece "$1" 'each backend' ;;
		esac
	done <"$D/person.cfg"
}
# The test machine has no group tollgate, so HAProxy reads the result without it.
printf '#!/bin/sh\nfor f; do case $f in *.cfg) sed -i "s/ group tollgate / /" "$f" ;; esac; done\nexec %s "$@"\n' "$haproxy" >"$D/haproxy"
chmod +x "$D/haproxy"
for form in {1..34}; do
	fresh
	form "$form" >"$D/pieces"
	older "$D/pieces" | grep -v '^    # ' | sed 's|^    default_backend|    # the rest\n&|' >"$cfg"
	cp "$D/person.cfg" "$cfg.before-tollgate"
	like "form $form: the stanza is in the file" "$(cat "$cfg")" 'filter spoe engine tollgate'
	cp "$cfg" "$D/laid.cfg"
	undo --write
	is "form $form: undo succeeds" "$code $(cat "$D/err")" "0 "
	same "form $form: the file is the original" "$cfg" "$D/person.cfg"
	# First updated by init, with the HAProxy that would run it.
	cp "$D/laid.cfg" "$cfg"
	lay_with=$D/haproxy lay
	is "form $form: HAProxy accepts the updated stanza" "$?" 0
	lay_with=$D/haproxy lay
	like "form $form: a second update changes nothing" "$(cat "$D/laid")" 'Nothing to do'
	undo --write
	is "form $form: undo of the updated stanza succeeds" "$code $(cat "$D/err")" "0 "
	same "form $form: the file is the original after the update" "$cfg" "$D/person.cfg"
done
fresh
form 14 >"$D/pieces"
older "$D/pieces" >"$cfg"
cp "$cfg" "$D/laid.cfg"
lay
like "a new -f in EXTRAOPTS needs a restart" "$(cat "$D/laid")" 'systemctl restart haproxy .*new -f'
cp "$D/laid.cfg" "$cfg"
lay
like "updated lines need a reload" "$(cat "$D/laid")" 'systemctl reload haproxy$'
rm "$etc/tollgate/keys.yaml"
lay
is "a new key needs neither" "$(grep -c 'systemctl .* haproxy' "$D/laid")" 0
exit $failed
