# A real transcriber, named by TRANSCRIBER_URL (…/v1/audio/transcriptions or …/inference), transcribes sentences of espeak-ng in the languages
# of TRANSCRIBER_LANGUAGES (default: en de fr es). Each sound must be transcribed. The last line has the number of card numbers that
# were found: a missed number is the transcriber's, or this voice's.
. "$(dirname "$0")/lib.sh"
[ -n "${TRANSCRIBER_URL:-}" ] || { skip "a real transcriber" "TRANSCRIBER_URL names none"; exit 0; }
command -v espeak-ng >/dev/null || { skip "a real transcriber" "espeak-ng is not installed"; exit 0; }
sed -e 's|^  - {name: ears.*|  - {name: real, url: "'"$TRANSCRIBER_URL"'", deadline: 120s, breaker_failures: 1000, cache: false}|' -e '/TRANSCRIBER/d' -e '/"http:..127.0.0.1:1.v1/d' "$here/speech.yaml" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
auth="authorization: Bearer $(token)"
speak() { # LANGUAGE TEXT: the decision
	espeak-ng -v "$1" -s 130 -w "$D/sound.wav" "$2"
	printf '{"model":"echo","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"%s","format":"wav"}}]}]}' "$(base64 -w0 "$D/sound.wav")" >"$D/body.json"
	req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -H 'host: deny.test' --data-binary "@$D/body.json"
	settled
	journals | grep '"type":"decision"' | grep -m 1 "\"$(header x-tollgate-id)\"" >"$D/decision"
}
found=0 of=0
while IFS='|' read -r language harmless card; do
	case " ${TRANSCRIBER_LANGUAGES:-en de fr es} " in *" $language "*) ;; *) continue ;; esac
	for text in "$harmless" "$card"; do
		speak "$language" "$text"
		is "$language, transcribed: $text" "$(jq -c '.prompt.files[0] | [.transcriber, .read, .unread]' "$D/decision")" '["real",["speech"],null]'
	done
	of=$((of + 1))
	[ "$status" = 403 ] && found=$((found + 1))
done <<'S'
en|please play some music|my card number is four one one one, one one one one, one one one one, one one one one
de|spiel bitte etwas Musik|meine Kartennummer ist vier eins eins eins, eins eins eins eins, eins eins eins eins, eins eins eins eins
fr|joue de la musique|mon numéro de carte est quatre un un un, un un un un, un un un un, un un un un
es|pon algo de música|mi número de tarjeta es cuatro uno uno uno, uno uno uno uno, uno uno uno uno, uno uno uno uno
S
echo "# found: $found of $of card numbers"
