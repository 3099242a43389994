# The programs that a fresh machine gets: tests/support/deps with a simulated apt, and the script that finds the
# programs which scripts call. The stage `fresh` and make fresh-test use a real Debian.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

# ---- deps: a simulated apt with two suites, whose lists must be fetched first ----
mkdir "$D/bin" "$D/etc"
cat >"$D/bin/apt-cache" <<'EOF'
#!/bin/sh
[ -e "$LISTS" ] && grep -qx "$2" "$LISTS"
EOF
cat >"$D/bin/apt-get" <<'EOF'
#!/bin/sh
case "$*" in
update*) [ -n "$SUITE" ] && printf '%s\n' $SUITE >"$LISTS" ;;
*)
	shift 4
	echo "$*" >"$LISTS.asked"
	for p; do grep -qsx "$p" "$LISTS" || exit 100; done
	echo "$*" >"$LISTS.installed" ;;
esac
EOF
cat >"$D/bin/dpkg-query" <<'EOF'
#!/bin/sh
# -W -f FORMAT NAME…
case $3 in *Package*) named=1 ;; *) named= ;; esac
shift 3
for p; do
	case " $HAVE " in *" $p "*) if [ "$named" ]; then echo "$p installed"; else printf installed; fi ;; esac
done
EOF
printf '#!/bin/sh\necho 0\n' >"$D/bin/id"
for f in tee chmod rm; do # so that nothing is written to /usr/sbin
	printf '#!/bin/sh\ncase "$*" in *policy-rc.d*) cat >/dev/null; exit 0 ;; esac\nexec /bin/%s "$@"\n' $f >"$D/bin/$f"
done
chmod +x "$D"/bin/*
# deps_of LISTS SUITE INSTALLED WANT…: prints the exit code and the installed packages
deps_of() {
	rm -f "$D"/lists*
	[ -z "$1" ] || printf '%s\n' $1 >"$D/lists"
	PATH=$D/bin:$PATH LISTS=$D/lists SUITE=$2 HAVE=$3 "$root/tests/support/deps" "${@:4}" >"$D/said" 2>&1 </dev/null
	echo "$? $(cat "$D/lists.installed" 2>/dev/null)"
}
older="gcc node-llhttp" newer="gcc node-llhttp libllhttp-dev" want='libllhttp-dev|node-llhttp'
is "without lists, they are fetched: a library that only the newer suite has" "$(deps_of '' "$newer" '' gcc "$want")" "0 gcc libllhttp-dev"
is "in the older suite, the package with its sources is installed" "$(deps_of '' "$older" '' gcc "$want")" "0 gcc node-llhttp"
is "old lists are fetched again" "$(deps_of "$older" "$newer" '' "$want")" "0 libllhttp-dev"
is "installed packages are not requested" "$(deps_of "$older" "$older" "gcc node-llhttp" gcc "$want" sh:dash)" "0 "
is "the second alternative is installed and the first is available: the first is installed" "$(deps_of "$newer" "$newer" node-llhttp "$want")" "0 libllhttp-dev"
is "a package that is not available is an error" "$(deps_of "$older" "$older" '' gcc jq) $(tail -n 1 "$D/said")" "1  deps: could not install: gcc jq"

# ---- the programs that scripts call ----
cat >"$D/script.sh" <<'EOF'
alpha() { bravo "$1" | charlie -c 'not delta'; } # not echo2
x=$(foxtrot "$(golf)") hotel=1 india <<<"not juliet"
for kilo in lima mike; do november; done >"$(oscar)"
case $(papa) in quebec) romeo ;; sierra | tango) uniform;; esac && victor
[[ $x = *whiskey* && ! -e xray ]] || yankee
nice -n 15 env A=b zulu; xargs -r -n 1 one; timeout 60 two; flock "$x" three
bash -c 'four | five'; trap 'six' EXIT; check "not seven" eight
cat >"$x" <<'END'
#!/bin/sh
nine $(ten)
END
cat <<END
not eleven
END
y=(twelve "$(thirteen)" fourteen) z=${y:-$(fifteen)} alpha; "$build/tollgate" not; echo "`sixteen`" ${#y} $((y << 2))
EOF
is "each command word is found, and nothing else" "$("$root/tests/support/programs" "$D/script.sh" | cut -d' ' -f1 | sort | tr '\n' ' ')" \
	"$(printf '%s\n' bravo charlie check foxtrot golf india november oscar papa romeo uniform victor yankee env nice xargs timeout flock zulu one two \
		three bash four five six eight cat nine ten thirteen fifteen sixteen | sort | tr '\n' ' ')"
printf 'x:\n\t@$(call say,CC)seventeen $(A $(B)) | eighteen $$(nineteen)\n' >"$D/Makefile"
printf 'x = system("twenty -x | thirty >%%s"); execlp("forty", "forty", NULL);' >"$D/x.c"
printf 'run("fifty", ["not"]);' >"$D/x.mjs"
is "commands are found in recipes, in C tests and in Node" "$("$root/tests/support/programs" "$D/Makefile" "$D/x.c" "$D/x.mjs" | cut -d' ' -f1 | tr '\n' ' ')" \
	"eighteen nineteen seventeen forty thirty twenty fifty "
like "a program that no target installs is reported" "$("$root/tests/support/programs" --check "$D/script.sh")" "script.sh calls bravo: not in tests/support/programs.list"
like "a listed program that no script calls is reported" "$("$root/tests/support/programs" --check "$D/script.sh")" "programs.list: nobody calls redis-cli"
exit $failed
