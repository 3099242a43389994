# Clients: as users install them.
# The official clients of OpenAI and Google, of npm and PyPI, send sounds and receive them.
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "openai, @google/genai" "npm is not installed"; exit 0; }
npm_packages sdk "openai, @google/genai" || exit 0
mkdir "$D/sounds"
node - "$D/sounds" >"$D/known" <<'JS'
const fs = require("fs"), crypto = require("crypto")
for (const [name, pitch, text] of [["harmless", 300, "please play"], ["card", 400, "my card is four one one one one one one one one one one one one one one one"]]) {
	const wav = Buffer.alloc(44 + 16000)
	wav.write("RIFF", 0); wav.writeUInt32LE(36 + 16000, 4); wav.write("WAVEfmt ", 8); wav.writeUInt32LE(16, 16); wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22)
	wav.writeUInt32LE(8000, 24); wav.writeUInt32LE(16000, 28); wav.writeUInt16LE(2, 32); wav.writeUInt16LE(16, 34); wav.write("data", 36); wav.writeUInt32LE(16000, 40)
	for (let i = 0; i < 8000; i++) wav.writeInt16LE(Math.round(8000 * Math.sin(i * pitch * 2 * Math.PI / 8000)), 44 + 2 * i)
	fs.writeFileSync(`${process.argv[2]}/${name}.wav`, wav)
	console.log(`${crypto.createHash("sha256").update(wav).digest("hex")}\tenglish\t${text}`)
}
JS
node "$root/tests/support/transcriber.mjs" "$D/transcriber" "$D/known" >"$D/transcriber.log" 2>&1 &
transcriber=$!
trap 'kill $transcriber 2>/dev/null; finish' EXIT
wait_for test -s "$D/transcriber"
sed "s|TRANSCRIBER|$(cat "$D/transcriber")|" "$here/sdk-speech.yaml" >"$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
export EDGE PROVIDER SOUNDS=$D/sounds TOKEN
TOKEN=$(token)
node "$build/sdk/speech.mjs" >"$D/sdk.log" 2>&1
grep -E '^(ok|not ok|#)' "$D/sdk.log"
grep -q '^not ok' "$D/sdk.log" && failed=1
grep -q '^ok' "$D/sdk.log" || not_ok "the clients run" "$(tail -3 "$D/sdk.log")"

what="openai and google-genai of PyPI"
python3 -m venv "$build/pyspeech" >"$D/pip.log" 2>&1 && "$build/pyspeech/bin/pip" install -q "openai==3.57.0" "google-genai==3.6.1" >>"$D/pip.log" 2>&1 ||
	{ skip "$what" "they cannot be installed"; exit $failed; }
"$build/pyspeech/bin/python" "$here/sdk/speech.py" >"$D/py.log" 2>&1
grep -E '^(ok|not ok|#)' "$D/py.log"
grep -q '^not ok' "$D/py.log" && failed=1
grep -q '^ok' "$D/py.log" || not_ok "$what run" "$(tail -3 "$D/py.log")"
exit $failed
