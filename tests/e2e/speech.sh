# Sounds in requests: a simulated transcriber returns the transcripts (it knows sounds by their hash), and the text is
# searched, recorded, and judged by rules. The sounds are tones, and the transcriber's table has a text for each. This proves the path;
# how well speech is recognized is a property of the transcriber.
# Once: HAProxy's version does not matter.
# Turns: the sounds are large requests.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "speech" "node is not installed"; exit 0; }

sounds=$D/sounds known=$D/known
mkdir "$sounds"
: >"$known"
# A tone of so many seconds with a name; each has another pitch, so that each has another hash.
node - "$sounds" <<'JS'
const fs = require("fs"), dir = process.argv[2]
const wav = (name, seconds, channels, pitch, rate = 8000) => {
	const n = rate * seconds, data = Buffer.alloc(n * channels * 2)
	for (let i = 0; i < n; i++) for (let c = 0; c < channels; c++) data.writeInt16LE(Math.round(8000 * Math.sin(i * pitch[c] * 2 * Math.PI / rate)), (i * channels + c) * 2)
	const head = Buffer.alloc(44)
	head.write("RIFF", 0); head.writeUInt32LE(36 + data.length, 4); head.write("WAVEfmt ", 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20)
	head.writeUInt16LE(channels, 22); head.writeUInt32LE(rate, 24); head.writeUInt32LE(rate * channels * 2, 28); head.writeUInt16LE(channels * 2, 32); head.writeUInt16LE(16, 34)
	head.write("data", 36); head.writeUInt32LE(data.length, 40)
	fs.writeFileSync(`${dir}/${name}.wav`, Buffer.concat([head, data]))
	return { head, data, rate }
}
["harmless", "card", "mail", "german", "split", "noise"].forEach((name, i) => wav(name, 3, 1, [300 + 10 * i]))
wav("long", 6, 1, [500]); wav("left", 3, 1, [600]); wav("right", 3, 1, [700]); wav("stereo", 3, 2, [600, 700])
wav("hours", 10800, 1, [0], 100); wav("tiny", 0.01, 1, [900]); wav("inverted", 3, 2, [700, -700]); wav("mirror", 3, 1, [-700])
const lie = fs.readFileSync(`${dir}/harmless.wav`)
lie.writeUInt32LE(64000, 28); fs.writeFileSync(`${dir}/lie.wav`, lie)
JS
sound() { printf '%s\t%s\t%s\n' "$(sha256sum <"$sounds/$1" | cut -d' ' -f1)" "$2" "$3" >>"$known"; }
sound harmless.wav english 'please play|some music'
sound card.wav english 'well my card number is|four one one one one one one one|one one one one one one one one|thank you'
sound german.wav german 'meine Karte ist vier eins eins eins eins eins eins eins|eins eins eins eins eins eins eins eins'
sound mail.wav english 'write to ada dot lovelace at example dot com'
sound split.wav english 'the number is 4111 1111|1111 1111'
sound long.wav english 'a|b|c|d|e|f'
sound left.wav english 'nothing here'
sound right.wav english 'my card is 4111 1111 1111 1111'
sound noise.wav english ''
sound tiny.wav english 'x'
sound mirror.wav english 'my card is 4111 1111 1111 1111'
seeds=$root/tests/fuzz/seeds/sound kinds='mp3 flac opus m4a webm'
for k in $kinds; do cp "$seeds/mono.$k" "$sounds/card.$k"; sound "card.$k" english 'my card is 4111 1111 1111 1111'; done
cp "$seeds/stereo.mp3" "$seeds/film.mp4" "$sounds/"
sound film.mp4 english 'my card is 4111 1111 1111 1111'
node "$root/tests/support/transcriber.mjs" "$D/transcriber" "$known" >"$D/transcriber.log" 2>&1 &
transcriber=$!
trap 'kill $transcriber 2>/dev/null; finish' EXIT
wait_for test -s "$D/transcriber"
T=$(cat "$D/transcriber")
policy() { sed -e "s|TRANSCRIBER|$T|" -e "s|CACHE|$1|" "$here/speech.yaml" >"$D/policy.yaml"; }
policy false
{
	grep -v '^workers:' "$here/config.yaml"
	echo 'memo: 32m' # transcripts are remembered there
} >"$D/config.yaml"
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
tc() { curl -s "$T/_control" -d "$1" >/dev/null; }
asked() { curl -s "$T/_seen" | jq -c "${1:-.calls}"; }
decision() { settled; journals | grep '"type":"decision"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -c "$1"; }
error() { jq -c "$1" <<<"$body"; }
saw() { seen | jq -c "last | .body | fromjson | $1"; }
file() { decision ".prompt.files[0] | del(.us, .bytes, .transcript_hmac_sha256) | ${1:-.}"; }
b64() { base64 -w0 "$sounds/$1"; }
ask() { printf %s "$3" >"$D/body.json"; req POST "$2" -H "$auth" -H "$json" -H "host: $1" --data-binary "@$D/body.json"; }
chat() { ask "$1" /v1/chat/completions "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Answer.\"},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"$(b64 "$2")\",\"format\":\"${2##*.}\"}}]}]}"; }

# ---- speech is read ----
chat deny.test harmless.wav
is "a harmless sound passes" "$status" 200
is "the sound is unchanged" "$(saw '.messages[0].content[1].input_audio.data')" "\"$(b64 harmless.wav)\""
is "the record has who transcribed what" "$(file)" '{"kind":"wav","seconds":3,"codec":"pcm","channels":1,"transcriber":"ears","language":"english","read":["speech"]}'
like "the record has a keyed hash of the transcript" "$(decision '.prompt.files[0].transcript_hmac_sha256')" '^"[0-9a-f]{64}"$'
is "the record has the facts" "$(decision '[.prompt.speech, .prompt.speech_seconds, .prompt.unreadable, .prompt.opaque_parts]')" '[["transcribed","english"],3,null,0]'
is "the transcriber gets the sound as a form" "$(asked '.last | [.file, .response_format, .temperature, .model]')" '["sound.wav","verbose_json","0",null]'
chat deny.test card.wav
is "a spoken card number is denied" "$status $(error .error.code)" '403 "content_policy_violation"'
like "the error has the time" "$(error .error.message)" 'spoken at 0:0[01] of a sound \(wav\)'
like "the record has the time" "$(file .found)" '^\["CREDIT_CARD 0:0[01]"\]$'
is "it has the role user" "$(decision '.entities.CREDIT_CARD.roles')" '["user"]'
is "words for digits are no evasion" "$(decision .evasion)" null
chat deny.test split.wav
is "a number over two pieces is denied" "$status" 403
chat deny.test german.wav
is "a German number is denied" "$status $(file .language)" '403 "german"'
chat deny.test mail.wav
is "a spoken e-mail address is denied" "$status $(file '.found[0]')" '403 "EMAIL_ADDRESS 0:00"'
chat deny.test noise.wav
is "a sound without words passes" "$status" 200

# ---- media ----
chat strip.test card.wav
is "strip replaces the sound" "$status $(saw '.messages[0].content[1]')" '200 {"type":"text","text":"[a file was removed here: wav]"}'
chat write.test card.wav
is "transcript sends the redacted transcript" "$status $(saw '.messages[0].content[1]')" \
	'200 {"type":"text","text":"[transcript of a sound] well my card number is <CREDIT_CARD_1> thank you"}'
chat write.test harmless.wav
is "a sound without findings is sent as it is" "$status $(saw '.messages[0].content[1].type')" '200 "input_audio"'
chat write.test lie.wav
is "a sound that cannot be transcribed is removed" "$status $(saw '.messages[0].content[1]')" '200 {"type":"text","text":"[a file was removed here: wav]"}'

# ---- places ----
while IFS='|' read -r name host path text; do
	printf '%s' "$text" >"$D/place"
	for s in card harmless; do
		ask "$host" "$path" "$(sed "s|SOUND|$(b64 $s.wav)|" "$D/place")"
		is "$name: $s" "$status $(decision '.prompt.files[0] | [.read, (.found // [] | length), .stripped]')" "$([ $s = card ] && echo '200 [["speech"],1,true]' || echo '200 [["speech"],0,null]')"
	done
done <<'P'
chat, a file part|strip.test|/v1/chat/completions|{"model":"echo","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.wav","file_data":"data:audio/wav;base64,SOUND"}}]}]}
responses, input_audio|strip.test|/v1/responses|{"model":"echo","input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"SOUND","format":"wav"}}]}]}
bedrock, an audio block|bedrock.test|/model/amazon.nova-2-sonic-v1:0/converse|{"messages":[{"role":"user","content":[{"text":"Answer."},{"audio":{"format":"wav","source":{"bytes":"SOUND"}}}]}]}
gemini, inline data|gemini.test|/v1beta/models/gemini-3-pro:generateContent|{"contents":[{"role":"user","parts":[{"text":"Answer."},{"inlineData":{"mimeType":"audio/wav","data":"SOUND"}}]}]}
P
req POST /v1/audio/transcriptions -H "$auth" -H 'host: deny.test' -F model=whisper-1 -F "file=@$sounds/card.wav"
is "an upload for transcription is denied" "$status $(file '.found | length')" '403 1'
req POST /v1/audio/transcriptions -H "$auth" -H 'host: deny.test' -F model=whisper-1 -F "file=@$sounds/harmless.wav"
for s in card harmless; do
	ask mcp.test /mcp "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"role\":\"assistant\",\"model\":\"m\",\"content\":{\"type\":\"audio\",\"data\":\"$(b64 $s.wav)\",\"mimeType\":\"audio/wav\"}}}"
	is "mcp, audio content in a result: $s" "$(decision '[.decision, .prompt.files[0].read, (.prompt.files[0].found | length)]')" "$([ $s = card ] && echo '["deny",["speech"],1]' || echo '["permit",["speech"],0]')"
done
req POST /v1/audio/translations -H "$auth" -H 'host: deny.test' -F model=whisper-1 -F "file=@$sounds/card.wav"
is "an upload for translation is denied" "$status $(file '.found | length')" '403 1'
req POST /v1/files -H "$auth" -H 'host: deny.test' -F purpose=user_data -F "file=@$sounds/card.wav"
is "a file with sound is denied" "$status $(file '[.kind, (.found | length)]')" '403 ["wav",1]'
ask film.test /v1beta/models/gemini-3-pro:generateContent "{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"video/mp4\",\"data\":\"$(b64 film.mp4)\"}}]}]}"
is "the speech of a film is searched, and the film stays uninspected" "$status $(file '[.kind, .read, .unread, (.found | length)]')" '403 ["mp4",["speech"],"film",1]'
req POST /v1/audio/transcriptions -H "$auth" -H 'host: deny.test' -F model=whisper-1 -F "file=@$sounds/harmless.wav"
is "a harmless upload passes the gate" "$(decision '[.decision, .prompt.files[0].read]')" '["permit",["speech"]]'

# ---- kinds ----
for k in $kinds; do
	chat deny.test "card.$k"
	is "$k is transcribed" "$status $(decision '.prompt.files[0] | [.seconds, .read[-1]]')" '403 [1,"speech"]'
done
tc '{}'
chat deny.test stereo.wav
is "each channel is transcribed" "$status $(asked) $(file '[.channels, .found]')" '403 2 [2,["CREDIT_CARD 0:00"]]'
chat deny.test stereo.mp3
is "channels that cannot be parted are not transcribed" "$status $(file '[.channels, .unread]')" '403 [2,"stereo"]'
chat deny.test lie.wav
is "a header that lies is refused by name" "$status $(error .error.code) $(file .unread)" '403 "unreadable_content" "sound_length"'
like "the refusal says why" "$(error .error.message)" 'wav: sound_length'
head -c 20000 "$sounds/card.wav" >"$sounds/cut.wav"
chat deny.test cut.wav
is "a truncated sound is refused" "$status $(file .unread)" '403 "truncated"'

# ---- other bad input ----
lines=$(base64 -w76 "$sounds/card.wav" | sed ':a;N;$!ba;s/\n/\\n/g')
ask deny.test /v1/chat/completions "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"$lines\",\"format\":\"wav\"}}]}]}"
is "base64 with line breaks is read" "$status $(file '.found | length')" '403 1'
for k in two.m4a:sound_streams chained.ogg:sound_chained adpcm.wav:codec; do
	cp "$seeds/${k%:*}" "$sounds/"
	chat deny.test "${k%:*}"
	is "${k%:*} is refused by name" "$status $(file .unread)" "403 \"${k#*:}\""
done
tc '{}'
chat deny.test inverted.wav
is "channels of inverted phase are transcribed one by one" "$status $(asked) $(file '[.channels, .read, .unread]')" '403 2 [2,["speech"],null]'
chat deny.test hours.wav
is "three hours are too long" "$status $(file '[.seconds, .unread]')" '403 [10800,"too_long"]'
tc '{}'
node -e 'const part = `{"type":"input_audio","input_audio":{"data":"${process.argv[1]}","format":"wav"}}`
process.stdout.write(`{"model":"echo","messages":[{"role":"user","content":[${Array(10000).fill(part).join(",")}]}]}`)' "$(b64 tiny.wav)" >"$D/body.json"
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'host: deny.test' --data-binary "@$D/body.json"
is "10,000 tiny sounds are refused" "$status $(error .error.code)" '403 "unreadable_content"'
is "32 of them at most are transcribed" "$(($(asked) <= 32))" 1

# ---- transcribers ----
chat brief.test long.wav
is "a sound over max_seconds is refused" "$status $(file .unread)" '403 "too_long"'
tc '{}'
chat brief.test harmless.wav
is "another one gets no sound of 3 seconds with max_seconds 2" "$status $(asked)" '403 0'
chat plain.test card.wav
is "text is a form of a response" "$status $(file '[.transcriber, .language]')" '403 ["plain",null]'
chat silent.test harmless.wav
is "without a condition that is true nobody is asked" "$status $(file .unread)" '403 "not_asked"'
chat open.test lie.wav
is "on_failure.unreadable decides about the others" "$status" 200
chat never.test harmless.wav
is "on_failure: permit lets a sound pass if its transcriber is away" "$status $(file '[.unread, .read]')" '200 ["transcriber_away",null]'
for mode in garbage:transcriber_nonsense status:transcriber_away close:transcriber_away late_times:transcriber_nonsense; do
	tc "{\"mode\":\"${mode%:*}\"}"
	chat deny.test harmless.wav
	is "a transcriber that has fault ${mode%:*}: the sound is not inspected" "$status $(file .unread)" "403 \"${mode#*:}\""
done
tc '{"mode":"hang"}'
chat deny.test harmless.wav
is "a transcriber that hangs ends at its deadline" "$status $(file .unread)" '403 "transcriber_late"'
tc '{"delay_ms":1500}'
{ chat deny.test harmless.wav; echo "$status" >"$D/slow"; } &
slow=$!
wait_for sh -c "curl -s $T/_seen | grep -q '\"calls\":1'"
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'host: deny.test' -d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
is "a request that waits for its transcriber delays no other" "$status $(cat "$D/slow" 2>/dev/null)" '200 '
wait $slow
is "the other one is answered" "$(cat "$D/slow")" 200

# ---- spoken responses ----
tc '{}'
# says_sound NAME TYPE, says_chat NAME: set the sound of the provider's next responses
says_sound() { control "{\"body_base64\":\"$(b64 "$1")\",\"content_type\":\"$2\"}"; }
says_chat() { control "$(jq -nc --arg s "$(b64 "$1")" '{body: ({id: "c", object: "chat.completion", model: "m", choices: [{index: 0, finish_reason: "stop", message: {role: "assistant", audio: {id: "a", data: $s, transcript: "as you wish"}}}], usage: {prompt_tokens: 3, completion_tokens: 9, total_tokens: 12}} | tojson), content_type: "application/json"}')"; }
speech() { ask spoken.test /v1/audio/speech '{"model":"tts-1","input":"Read this.","voice":"alloy"}'; }
completion() { settled; journals | grep '"type":"completion"' | grep -m 1 "\"$(header x-tollgate-id)\"" | jq -c "$1"; }
while IFS='|' read -r sound type want verdict; do
	says_sound "$sound" "$type"
	speech
	is "audio/speech returns $sound: $want" "$status" "$want"
	is "the record has the verdict on $sound" "$(completion '[.answer.verdict.speech, .answer.rule]')" "$verdict"
done <<'S'
harmless.wav|audio/wav|200|[["transcribed","english"],null]
card.wav|audio/wav|403|[["transcribed","english"],"no-card-back"]
card.mp3|audio/mpeg|403|[["transcribed","english"],"no-card-back"]
card.opus|application/octet-stream|403|[["transcribed","english"],"no-card-back"]
mail.wav|audio/wav|403|[["transcribed","english"],"mail-back"]
lie.wav|audio/wav|503|[null,null]
S
says_sound harmless.wav audio/wav
curl -s -o "$D/spoken" -H "$auth" -H "$json" -H 'host: spoken.test' -d '{"model":"tts-1","input":"Read this.","voice":"alloy"}' "$EDGE/v1/audio/speech"
cmp -s "$D/spoken" "$sounds/harmless.wav" && ok "the permitted sound is unchanged" || not_ok "the permitted sound is unchanged" "$(wc -c <"$D/spoken")"
says_chat harmless.wav
ask spoken.test /v1/chat/completions '{"model":"m","messages":[{"role":"user","content":"Speak."}],"modalities":["text","audio"]}'
is "chat with a harmless sound passes" "$status $(error '.choices[0].message.audio.transcript')" '200 "as you wish"'
says_chat card.wav
ask spoken.test /v1/chat/completions '{"model":"m","messages":[{"role":"user","content":"Speak."}],"modalities":["text","audio"]}'
is "chat whose sound differs from its transcript is denied" "$status $(completion .answer.rule)" '403 "no-card-back"'
tc '{"mode":"hang"}'
says_sound harmless.wav audio/wav
speech
is "a transcriber that hangs denies the response" "$status" 503
tc '{}'
control '{}'

# ---- facts ----
tc '{"mode":"quiet"}'
chat facts.test harmless.wav
is "a piece without speech is a fact" "$status $(decision '[.rule, .prompt.speech]')" '403 ["no-silence",["transcribed","english","silent"]]'
tc '{"mode":"doubtful"}'
chat facts.test harmless.wav
is "doubtful words are a fact" "$status $(decision .rule)" '403 "no-doubt"'
tc '{}'
chat facts.test long.wav
is "the length is a fact" "$status $(decision .rule)" '403 "long"'
sound left.wav german 'guten Tag'
chat facts.test left.wav
is "the language is a fact" "$status $(decision .tags)" '200 ["german"]'
like "a replay knows the facts" "$("$build/tollgate" policy replay -c "$D/tollgate.yaml" --policy "$D/policy.yaml" 2>&1)" ' the same, 0 different'

# ---- limits ----
chat limit.test harmless.wav
chat limit.test long.wav
is "9 of 10 seconds pass" "$status" 200
chat limit.test harmless.wav
is "further sound is refused" "$status $(error .error.code)" '429 "rate_limit_exceeded"'
req POST /v1/chat/completions -H "$auth" -H "$json" -H 'host: limit.test' -d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
is "a request without sound passes" "$status" 200

# ---- memory of transcripts ----
policy true
"$build/tollgate" reload -c "$D/tollgate.yaml" >/dev/null
tc '{}'
chat deny.test card.wav
chat deny.test card.wav
is "a sound that was transcribed is not sent again" "$status $(asked)" '403 1'
is "metrics count sounds" "$(("$(metric sounds_failed_total)" >= 4)) $(("$(metric sounds_transcribed_total)" >= 20))" '1 1'
