/* Values that are replaced besides findings, through the gate: further occurrences of a value
 * that was found, and credentials. Each case runs with a body in the NOTIFY and with a deferred
 * body. In the texts, %K is alice's key, which she shows in Authorization, and %O is an unknown
 * key. Spellings of alice's key: %B as in Basic, %H in hexadecimal, %U in upper-case
 * hexadecimal, %M in mixed case. Percent-encoded: %P once, %E twice, %T three times, %S in some
 * places, %Z only its underscores, %L its last character, %Q every second character. %A has the
 * bytes escaped as in a program, %C hexadecimal with colons, %D with spaces. %X is the unknown
 * key in mixed-case hexadecimal. */
#include <sodium.h>

#include "scenario/gate_stage.h"

#define ROUTES                                                                                 \
	"routes:\n"                                                                            \
	"  - {name: chat, match: {methods: [POST], path: /v1/chat/completions}, dialect: "     \
	"openai, backend: openai}\n"                                                           \
	"  - {name: messages, match: {methods: [POST], path: /v1/messages}, dialect: "         \
	"anthropic, backend: anthropic}\n"                                                     \
	"  - {name: api, match: {path_prefix: /api/}, dialect: rest, backend: local}\n"
#define REDACT "rules: [{name: r, redact: {classes: [pii, phi, secret]}}]\n"
#define PERMIT "rules: []\n"
/* the rest of the key after its t */
#define OTHERS "g_abcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"
#define OTHER "tg_abcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"
#define SAYS(text)                                                                             \
	"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

#define SEAL "EqoBCkgIBBABGAIqQHJlYWwgbG9va2luZyBzaWduYXR1cmUgYnl0ZXMgdGhhdCBubyBvbmUgcmVhZHM="
#define THINKS(text)                                                                           \
	"{\"type\":\"thinking\",\"thinking\":\"" text "\",\"signature\":\"" SEAL "\"}"
#define HIDDEN	   "{\"type\":\"redacted_thinking\",\"data\":\"" SEAL "\"}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define CALL	   "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}"
#define ANSWER	   "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"ok\"}"
/* Decodes to no text. */
#define NOISE                                                                                  \
	"EgpkJn7Qw2fB9xZ0aLrT5vYc8HsU3mKdP1eXoGiNbR6tWq4jVhFyMzCl7OuSAkEgDpJ2Bn5w0xQrT9vZ8c"   \
	"LmY3fHsK6dP1aUeXoGxxJjW3q8Zt5Y2cVn0BfRk7DhLs4PuTe9OwKx6AiGmQyC1zE8rNvUjFb2SHdMg5Xo"
#define MAIL	     "jo@example.org"
#define TALK(turns)  "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" turns "]}"
#define MODEL(parts) "{\"role\":\"assistant\",\"content\":[" parts "]},"
#define USER(parts)  "{\"content\":[" parts "],\"role\":\"user\"}"
#define MSG	     "/v1/messages"

/* clang-format off */
static const struct {
	const char *name, *rules, *path, *query, *body;
	const char *header;    /* a header field of the caller */
	const char *decision, *via;
	const char *sent;      /* the body; NULL: unchanged */
	const char *target;    /* path and query that are sent; NULL: unchanged */
	const char *record[4]; /* path, value, … */
} rows[] = {
	{ "a password is also replaced where nothing marks it as one", REDACT, NULL, NULL,
	  SAYS("my password is quuxel47") ",\"x\":[\"quuxel47\",\"aquuxel47\",{\"quuxel47\":\"a quuxel47.\"}]}", NULL,
	  "redact", "relay",
	  SAYS("my password is <GENERIC_SECRET_1>") ",\"x\":[\"<GENERIC_SECRET_1>\",\"aquuxel47\",{\"<GENERIC_SECRET_1>\":"
	  "\"a <GENERIC_SECRET_1>.\"}]}", NULL,
	  { "entities.GENERIC_SECRET.count", "4", "entities.GENERIC_SECRET.mentions", "3" } },
	{ "a password is also replaced before its first mention", REDACT, "/api/x", NULL, "{\"a\":\"quuxel47\",\"b\":\"my password is quuxel47\"}", NULL,
	  "redact", "relay", "{\"a\":\"<GENERIC_SECRET_1>\",\"b\":\"my password is <GENERIC_SECRET_1>\"}", NULL, { NULL } },
	{ "an identifier as a number, in query and path", REDACT, "/api/a12345678/12345678", "12345678=12345678&n=1",
	  "{\"a\":\"MRN: 12345678\",\"n\":12345678,\"m\":123456789}", NULL, "redact", "relay",
	  "{\"a\":\"MRN: <MEDICAL_RECORD_1>\",\"n\":\"<MEDICAL_RECORD_1>\",\"m\":123456789}",
	  "/api/a12345678/%3CMEDICAL_RECORD_1%3E?%3CMEDICAL_RECORD_1%3E=%3CMEDICAL_RECORD_1%3E&n=1",
	  { "entities.MEDICAL_RECORD.count", "5", "request.path", "<redacted>" } },
	{ "a number is the same with other separators", REDACT, "/api/x", NULL,
	  "{\"a\":\"ssn 856-45-6789\",\"b\":\"then 856456789\"}", NULL, "redact", "relay",
	  "{\"a\":\"ssn <US_SSN_1>\",\"b\":\"then <US_SSN_1>\"}", NULL, { NULL } },
	{ "a user name is replaced wherever it is", REDACT, "/api/jdoe7712", NULL,
	  "{\"a\":\"username: jdoe7712\",\"b\":\"then reset jdoe7712\",\"c\":\"xjdoe7712\"}", NULL, "redact", "relay",
	  "{\"a\":\"username: <USER_NAME_1>\",\"b\":\"then reset <USER_NAME_1>\",\"c\":\"xjdoe7712\"}",
	  "/api/%3CUSER_NAME_1%3E", { "entities.USER_NAME.mentions", "2" } },
	{ "a drug's code is replaced everywhere", REDACT, "/api/x", NULL, "{\"a\":\"NDC 00777310502\",\"b\":\"00777310502\"}", NULL,
	  "redact", "relay", "{\"a\":\"NDC <NDC_1>\",\"b\":\"<NDC_1>\"}", NULL, { NULL } },
	{ "the address of a personal page is replaced everywhere", REDACT, "/api/x", NULL,
	  "{\"a\":\"my blog: https://ada.example.org/posts\",\"b\":\"is https://ada.example.org/posts down?\"}", NULL,
	  "redact", "relay", "{\"a\":\"my blog: <URL_1>\",\"b\":\"is <URL_1> down?\"}", NULL, { NULL } },
	{ "a name of two words is replaced everywhere", REDACT, "/api/x", NULL,
	  "{\"a\":\"first_name: Qorvim\",\"b\":\"patient name: Ruvela Qorvim\",\"c\":\"so ruvela qorvim or Ruvela Qorvim or Qorvim\"}",
	  NULL, "redact", "relay",
	  "{\"a\":\"first_name: <PERSON_1>\",\"b\":\"patient name: <PERSON_2>\",\"c\":\"so ruvela qorvim or <PERSON_2> or Qorvim\"}",
	  NULL, { NULL } },
	{ "a date of birth is replaced where it is written equally", "rules: [{name: r, redact: {classes: [pii]}}]\n", "/api/x", NULL,
	  "{\"a\":\"born 1990-01-02\",\"b\":\"v 1990-01-02\",\"c\":\"1990-01-03\"}", NULL, "redact", "relay",
	  "{\"a\":\"born <DATE_OF_BIRTH_1>\",\"b\":\"v <DATE_OF_BIRTH_1>\",\"c\":\"1990-01-03\"}", NULL, { NULL } },
	{ "a code of few digits is not replaced elsewhere", REDACT, "/api/x", NULL,
	  "{\"a\":\"CVV: 4821\",\"b\":\"4821\",\"c\":\"ZIP 90210\",\"d\":\"90210\",\"e\":\"CPT 99213\",\"f\":\"99213\"}", NULL,
	  "redact", "relay",
	  "{\"a\":\"CVV: <CVV_1>\",\"b\":\"4821\",\"c\":\"ZIP <US_ZIP_CODE_1>\",\"d\":\"90210\",\"e\":\"CPT <CPT_1>\",\"f\":\"99213\"}",
	  NULL, { NULL } },
	{ "a model and a tool with the name of a user keep their names", REDACT, NULL, NULL,
	  "{\"model\":\"gpt7b\",\"messages\":[{\"role\":\"user\",\"content\":\"username: gpt7b, so gpt7b\"}],"
	  "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"gpt7b\",\"parameters\":{}}}]}", NULL,
	  "redact", "relay",
	  "{\"model\":\"gpt7b\",\"messages\":[{\"role\":\"user\",\"content\":\"username: <USER_NAME_1>, so <USER_NAME_1>\"}],"
	  "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"gpt7b\",\"parameters\":{}}}]}", NULL, { NULL } },
	{ "the address of a picture stays", REDACT, NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	  "\"my blog: https://ada.example.org/me.png\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	  "\"https://ada.example.org/me.png\"}}]}]}", NULL, "redact", "relay",
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	  "\"my blog: <URL_1>\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
	  "\"https://ada.example.org/me.png\"}}]}]}", NULL, { NULL } },
	{ "words that - or _ join do not spread without digits", REDACT, "/api/x", NULL,
	  "{\"a\":\"username: json_schema\",\"type\":\"json_schema\",\"json_schema\":1}", NULL, "redact", "relay",
	  "{\"a\":\"username: <USER_NAME_1>\",\"type\":\"json_schema\",\"json_schema\":1}", NULL, { NULL } },
	{ "ages and places are not replaced elsewhere", REDACT, "/api/x", NULL,
	  "{\"a\":\"born 1990-01-02 in Paris\",\"b\":\"v1990\",\"c\":\"paris\"}", NULL, "redact", "relay",
	  "{\"a\":\"born <DATE_OF_BIRTH_1> in <LOCATION_1>\",\"b\":\"v1990\",\"c\":\"paris\"}", NULL, { NULL } },
	{ "a value that no rule redacts is not replaced", PERMIT, "/api/x", NULL,
	  "{\"a\":\"my password is quuxel47\",\"b\":\"quuxel47\"}", NULL, "permit", "direct", NULL, NULL, { NULL } },
	{ "a request is denied if the model's name would change", REDACT, NULL, NULL,
	  "{\"model\":\"quuxel47\",\"messages\":[{\"role\":\"user\",\"content\":\"my password is quuxel47\"}]}", NULL,
	  "deny", "", NULL, NULL, { "code", "content_policy_violation", "model", "<redacted>" } },
	{ "a denied value is not recorded in the path", "rules: [{name: r, when: '\"secret\" in prompt.classes', deny: true}]\n",
	  "/api/quuxel47", NULL, "{\"a\":\"my password is quuxel47\"}", NULL, "deny", "", NULL, NULL,
	  { "request.path", "<redacted>", "rule", "r" } },
	{ "a gateway key as the model's name is denied and not recorded", PERMIT, NULL, NULL, "{\"model\":\"%O\",\"messages\":[]}", NULL,
	  "deny", "", NULL, NULL, { "model", "<redacted>" } },
	{ "a key in a JSON spelling is denied", PERMIT, NULL, NULL, "{\"model\":\"\\u0074" OTHERS "\",\"messages\":[]}", NULL,
	  "deny", "", NULL, NULL, { "model", "<redacted>" } },
	{ "a key in a JSON spelling is replaced", PERMIT, "/api/x", NULL,
	  "{\"\\u0074" OTHERS "\":\"\\u0074" OTHERS "\"}", NULL,
	  "redact", "relay", "{\"<CREDENTIAL_1>\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "2" } },
	{ "a key in JSON within JSON is replaced", PERMIT, NULL, NULL,
	  SAYS("a \\\\u0074" OTHERS " b \\\\\\\\u0074\\\\\\\\u0067_\\\\x61bcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk.") "}", NULL,
	  "redact", "relay", SAYS("a <CREDENTIAL_1> b <CREDENTIAL_2>.") "}", NULL, { "credentials", "2" } },
	{ "a key in a JSON spelling may not pass in uninspected content", PERMIT "on_failure: {unreadable: permit}\n", NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""
	  NOISE "\\u0074" OTHERS NOISE "\"}}]}]}", NULL, "deny", "", NULL, NULL, { "code", "content_policy_violation" } },
	{ "a key in a JSON spelling in a text that cannot be replaced", PERMIT "on_failure: {unreadable: permit}\n", "/api/x",
	  NULL, "\x01\x02\\u0074" OTHERS, "content-type: application/octet-stream", "deny", "", NULL, NULL, { NULL } },
	{ "the caller's key is removed from a body without a redaction", PERMIT, NULL, NULL, SAYS("I use %K, x%Ky") "}", NULL,
	  "redact", "relay", SAYS("I use <CREDENTIAL_1>, x<CREDENTIAL_1>y") "}", NULL, { "credentials", "2" } },
	{ "an unknown gateway key is removed too", PERMIT, "/api/x", NULL, "{\"%O\":\"a\"}", NULL,
	  "redact", "relay", "{\"<CREDENTIAL_1>\":\"a\"}", NULL, { "credentials", "1" } },
	{ "a key is removed from query and path", PERMIT, "/api/%O/x", "a=%K&b", "{}", NULL, "redact", "relay", NULL,
	  "/api/%3CCREDENTIAL_1%3E/x?a=%3CCREDENTIAL_2%3E&b", { "request.path", "<redacted>" } },
	{ "a key in a text that cannot be replaced denies the request", PERMIT "on_failure: {unreadable: permit}\n", "/api/x",
	  NULL, "\x01\x02%O", "content-type: application/octet-stream", "deny", "", NULL, NULL, { NULL } },
	{ "a key may not pass in uninspected content", PERMIT "on_failure: {unreadable: permit}\n", NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""
	  NOISE "%O" NOISE "\"}}]}]}", NULL, "deny", "", NULL, NULL, { "code", "content_policy_violation" } },
	{ "a text that only begins like a key is none", PERMIT, "/api/x", NULL, "{\"a\":\"tg_abcd1234_0123\"}", NULL,
	  "permit", "direct", NULL, NULL, { NULL } },
	{ "a header with the caller's key takes the relay, which removes it", PERMIT, "/api/x", NULL, "{}",
	  "x-was: Bearer %K", "permit", "relay", NULL, NULL, { NULL } },
	{ "a header with an unknown key takes the relay too", PERMIT, "/api/x", NULL, "{}", "referer: https://h/?k=%O",
	  "permit", "relay", NULL, NULL, { NULL } },
	{ "the caller's key in base64 is recognized", PERMIT, "/api/x", NULL, "{}", "x-was: Basic %B", "permit", "relay", NULL, NULL, { NULL } },
	{ "the caller's key in escapes is recognized", PERMIT, "/api/x", NULL, "{}", "x-was: 100%25 %E", "permit", "relay", NULL, NULL, { NULL } },
	{ "the caller's key as a header's name is recognized", PERMIT, "/api/x", NULL, "{}", "x-was-%K: 1", "permit", "relay", NULL, NULL, { NULL } },
	{ "the caller's key in hexadecimal in a body", PERMIT, "/api/x", NULL, "{\"a\":\"i use %H.\"}", NULL,
	  "redact", "relay", "{\"a\":\"i use <CREDENTIAL_1>.\"}", NULL, { "credentials", "1" } },
	{ "the caller's key in upper-case hexadecimal", PERMIT, "/api/x", NULL, "{\"a\":\"i use %U, f0%U.\"}", NULL,
	  "redact", "relay", "{\"a\":\"i use <CREDENTIAL_1>, f0<CREDENTIAL_1>.\"}", NULL, { "credentials", "2" } },
	{ "the caller's key in mixed case after half a byte", PERMIT, "/api/x", NULL, "{\"a\":\"f%M0\"}", NULL,
	  "redact", "relay", "{\"a\":\"f<CREDENTIAL_1>0\"}", NULL, { "credentials", "1" } },
	{ "an unknown key in mixed case", PERMIT, "/api/x", NULL, "{\"a\":\"%X\"}", NULL,
	  "redact", "relay", "{\"a\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "the caller's key in escapes in a body", PERMIT, NULL, NULL, SAYS("100%% of a%P b %S, %E; %T") "}", NULL,
	  "redact", "relay", SAYS("100%% of a<CREDENTIAL_1> b <CREDENTIAL_2>, <CREDENTIAL_3>; <CREDENTIAL_4>") "}", NULL,
	  { "credentials", "4" } },
	{ "the key with escaped underscores", PERMIT, NULL, NULL, SAYS("a %Z b") "}", NULL,
	  "redact", "relay", SAYS("a <CREDENTIAL_1> b") "}", NULL, { "credentials", "1" } },
	{ "the key with its last letter escaped", PERMIT, NULL, NULL, SAYS("https://x/?k=%L b") "}", NULL,
	  "redact", "relay", SAYS("https://x/?k=<CREDENTIAL_1> b") "}", NULL, { "credentials", "1" } },
	{ "the key with every second letter escaped", PERMIT, "/api/x", NULL, "{\"a\":\"%Q\"}", NULL,
	  "redact", "relay", "{\"a\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "the key as escaped bytes of a program", PERMIT, NULL, NULL, SAYS("f('%A')") "}", NULL,
	  "redact", "relay", SAYS("f('<CREDENTIAL_1>')") "}", NULL, { "credentials", "1" } },
	{ "the key with colons, after an odd digit", PERMIT, NULL, NULL, SAYS("a%C.") "}", NULL,
	  "redact", "relay", SAYS("a<CREDENTIAL_1>.") "}", NULL, { "credentials", "1" } },
	{ "the key with spaces", PERMIT, "/api/x", NULL, "{\"a\":\"be it %D\"}", NULL,
	  "redact", "relay", "{\"a\":\"be it <CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "the key with spaces in a header", PERMIT, "/api/x", NULL, "{}", "x-was: %D", "permit", "relay", NULL, NULL, { NULL } },
	{ "the key in upper-case hexadecimal in a header", PERMIT, "/api/x", NULL, "{}", "x-was: a%U", "permit", "relay", NULL, NULL, { NULL } },
	{ "the key escaped three times in a header", PERMIT, "/api/x", NULL, "{}", "x-was: %T", "permit", "relay", NULL, NULL, { NULL } },
	{ "digits and escapes without a key pass", PERMIT, "/api/x", NULL,
	  "{\"a\":\"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08 %74%67%5F 100%25\"}", NULL,
	  "permit", "direct", NULL, NULL, { NULL } },
	{ "the key escaped twice in a query", PERMIT, "/api/x", "a=%E", "{}", NULL,
	  "redact", "relay", NULL, "/api/x?a=%3CCREDENTIAL_1%3E", { "credentials", "1" } },
	/* An edit removes a signed reasoning block together with the others of its turn. */
	{ "a signed block with a finding is removed with the others of its turn", REDACT, MSG, NULL,
	  TALK(MODEL(HIDDEN "," TEXT("a") "," THINKS("to " MAIL) ", " THINKS("b")) USER(TEXT("c"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("c"))), NULL, { "signed_reasoning", "{\"blocks\":3,\"dropped\":3,\"left\":0}" } },
	{ "blocks of other turns are unchanged", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("a") "," TEXT("b")) USER(TEXT("c")) "," MODEL(THINKS(MAIL) "," TEXT("d")) USER(TEXT(MAIL))), NULL,
	  "redact", "relay",
	  TALK(MODEL(THINKS("a") "," TEXT("b")) USER(TEXT("c")) "," MODEL(TEXT("d")) USER(TEXT("<EMAIL_ADDRESS_1>"))), NULL,
	  { "signed_reasoning", "{\"blocks\":2,\"dropped\":1,\"left\":0}" } },
	{ "a name-like text in a signature is no finding", REDACT, MSG, NULL,
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":\"PhBai/PlfBq02FB5Bb1Yh7/ayHGRaHaJiU5xJoh01WIzwZhL7r/Zvy1M9tvX9"
	  "SpRRNczIQ2a+g5ond8tHZIDKN4fy2f9ka9fhrLERhd2ipRwUyWXmTdSdIGQX6NRl1uzmcX7ue9Y3LDVV0n5+kxFLh+agDi7/le6pT9Ib/dEcyF6VYjJ3y38noeFcf6eDR"
	  "FqbIzYnMdK\"}") USER(TEXT("c"))), NULL, "permit", "direct", NULL, NULL, { "entities", "" } },
	{ "blocks without a finding stay", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("a") "," TEXT(MAIL)) USER(TEXT("c"))), NULL, "redact", "relay",
	  TALK(MODEL(THINKS("a") "," TEXT("<EMAIL_ADDRESS_1>")) USER(TEXT("c"))), NULL,
	  { "signed_reasoning", "{\"blocks\":1,\"dropped\":0,\"left\":0}" } },
	{ "a further mention in a signed block counts", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("quuxel47 it is") "," TEXT("a")) USER(TEXT("my password is quuxel47"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("my password is <GENERIC_SECRET_1>"))), NULL, { NULL } },
	{ "a gateway key in a signed block counts", PERMIT, MSG, NULL, TALK(MODEL(TEXT("a") " , " THINKS("%O")) USER(TEXT("b"))), NULL,
	  "redact", "relay", TALK(MODEL(TEXT("a") " ") USER(TEXT("b"))), NULL, { NULL } },
	{ "a message is not left empty", REDACT, MSG, NULL, TALK(MODEL(" " THINKS(MAIL) "," HIDDEN " ") USER(TEXT("b"))), NULL,
	  "redact", "relay", TALK(MODEL(" " TEXT("<REASONING>") " ") USER(TEXT("b"))), NULL, { NULL } },
	{ "a request is denied while the last turn's tool calls are pending", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER)), NULL, "deny", "", NULL, NULL,
	  { "code", "signed_content", "status", "403" } },
	{ "calls that the provider runs itself count", REDACT, MSG, NULL,
	  TALK(USER(TEXT("a")) "," "{\"role\":\"assistant\",\"content\":[" THINKS(MAIL)
	  ",{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}]}"), NULL, "deny", "", NULL, NULL,
	  { "code", "signed_content" } },
	{ "any number of calls counts", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER) "," MODEL(THINKS("b") "," CALL) USER(ANSWER "," TEXT("and"))), NULL,
	  "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "calls of earlier turns do not count", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER) "," MODEL(THINKS("b") "," TEXT("c")) USER(TEXT("d"))), NULL,
	  "redact", "relay", TALK(MODEL(CALL) USER(ANSWER) "," MODEL(TEXT("c")) USER(TEXT("d"))), NULL, { NULL } },
	{ "calls before the signed turn do not count", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b")) "," MODEL(THINKS("c") "," CALL) USER(ANSWER)), NULL,
	  "redact", "relay", TALK(MODEL(TEXT("a")) USER(TEXT("b")) "," MODEL(THINKS("c") "," CALL) USER(ANSWER)), NULL, { NULL } },
	{ "a policy may deny", REDACT "on_failure: {signed: deny}\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "a policy may leave the blocks, on record", REDACT "on_failure: {signed: leave}\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT(MAIL))), NULL, "redact", "relay",
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("<EMAIL_ADDRESS_1>"))), NULL,
	  { "signed_reasoning", "{\"blocks\":1,\"dropped\":0,\"left\":1}" } },
	{ "a policy may not leave a gateway key", PERMIT "on_failure: {signed: leave}\n", MSG, NULL,
	  TALK(MODEL(THINKS("%O") "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "a rule that denies the finding denies the request", "rules: [{name: r, when: '\"pii\" in prompt.classes', deny: true}]\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "rule", "r" } },
	{ "an unsigned block is rewritten", REDACT, MSG, NULL,
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"" MAIL "\"}," TEXT("a")) USER(TEXT("b"))), NULL, "redact", "relay",
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"<EMAIL_ADDRESS_1>\"}," TEXT("a")) USER(TEXT("b"))), NULL, { NULL } },
	{ "blocks of the same shape in a dialect without a table", REDACT, "/api/x", NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("b"))), NULL, { NULL } },
	{ "Bedrock's", REDACT, "/api/x", NULL,
	  TALK(MODEL("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"" MAIL "\",\"signature\":\"" SEAL "\"}}}") USER("{\"text\":\"b\"}")),
	  NULL, "redact", "relay", TALK(MODEL("{\"text\":\"<REASONING>\"}") USER("{\"text\":\"b\"}")), NULL, { NULL } },
	{ "reasoning that gateways put beside the content", REDACT, NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"thinking_blocks\":[" THINKS(MAIL) "]},"
	  "{\"role\":\"user\",\"content\":\"b\"}]}", NULL, "redact", "relay",
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"thinking_blocks\":[]},"
	  "{\"role\":\"user\",\"content\":\"b\"}]}", NULL, { NULL } },
	{ "any other header passes", PERMIT, "/api/x", NULL, "{}", "x-is: Bearer abc", "permit", "direct", NULL, NULL, { NULL } },
};
/* clang-format on */

static const char *
spelled(const char *key, char how, char *out, size_t room)
{
	char pair[128];

	switch (how) {
	case 'K': return key;
	case 'O': return OTHER;
	case 'B':
		snprintf(pair, sizeof(pair), "a:%s:b", key);
		return sodium_bin2base64(out, room, (unsigned char *)pair, strlen(pair),
			sodium_base64_VARIANT_ORIGINAL);
	case 'H': return sodium_bin2hex(out, room, (const unsigned char *)key, strlen(key));
	case 'E':
		for (size_t i = 0; key[i]; i++)
			snprintf(out + 5 * i, room - 5 * i, "%%25%02x", (unsigned char)key[i]);
		return out;
	case 'U':
	case 'M':
	case 'X':
		key = how == 'X' ? OTHER : key;
		sodium_bin2hex(out, room, (const unsigned char *)key, strlen(key));
		for (size_t i = 0; out[i]; i++)
			if (is_alpha(out[i]) && (how == 'U' || i % 3))
				out[i] = (char)(out[i] - 'a' + 'A');
		return out;
	case 'P':
	case 'S':
	case 'Z':
	case 'L':
	case 'Q':
		for (size_t i = 0, n = 0; key[i]; i++) {
			bool escaped = how == 'P' || (how == 'S' && i % 9 == 2) ||
				       (how == 'Z' && key[i] == '_') ||
				       (how == 'L' && !key[i + 1]) || (how == 'Q' && i % 2);
			n += (size_t)snprintf(out + n, room - n, escaped ? "%%%02X" : "%c",
				(unsigned char)key[i]);
		}
		return out;
	case 'A':
	case 'C':
	case 'D':
		for (size_t i = 0, n = 0; key[i]; i++)
			n += (size_t)snprintf(out + n, room - n, "%s%02x",
				how == 'A'   ? "\\\\x"
				: !i	     ? ""
				: how == 'C' ? ":"
					     : " ",
				(unsigned char)key[i]);
		return out;
	case 'T':
		for (size_t i = 0, n = 0; key[i]; i++)
			n += (size_t)snprintf(
				out + n, room - n, "%%2525%02x", (unsigned char)key[i]);
		return out;
	default: return NULL;
	}
}

/* Puts the keys into the text. */
static const char *
filled(const struct stage *s, const char *text, char *out, size_t room)
{
	size_t n = 0;
	char way[1024];

	if (!text)
		return NULL;
	for (; *text; text++) {
		const char *with = NULL;
		if (text[0] == '%')
			with = spelled(s->key[0], text[1], way, sizeof(way));
		bool key = with != NULL;
		with = key ? with : text;
		size_t len = key ? strlen(with) : 1;
		assert_true(n + len < room);
		memcpy(out + n, with, len);
		n += len;
		text += key;
	}
	out[n] = 0;
	return out;
}

static void
check_sent(
	size_t i, const struct stage *s, const struct note *n, const struct exchange_plan *plan)
{
	char want[2048], target[2048], got[2048];

	filled(s, rows[i].sent ? rows[i].sent : rows[i].body, want, sizeof(want));
	if (plan->body_mode == BODY_SWAP && !span_is(plan->body, want))
		fail_msg("%s: sent %.*s", rows[i].name, SPAN_ARG(plan->body));
	if (plan->body_mode != BODY_SWAP && rows[i].sent)
		fail_msg("%s: sent as it came", rows[i].name);
	snprintf(target, sizeof(target), "%s%s%s", n->path ? n->path : CHAT,
		n->query ? "?" : "", n->query ? n->query : "");
	snprintf(got, sizeof(got), "%.*s%s%.*s", SPAN_ARG(plan->head.path),
		plan->head.has_query ? "?" : "", SPAN_ARG(plan->head.query));
	if (strcmp(got, rows[i].target ? rows[i].target : target))
		fail_msg("%s: sent to %s", rows[i].name, got);
	for (size_t k = 0; k < plan->head.nfields; k++)
		if (span_istarts(plan->head.fields[k].name, SPAN_LIT("x-was")) ||
			memmem(plan->head.fields[k].value.p, plan->head.fields[k].value.n,
				"tg_", 3))
			fail_msg("%s: %.*s goes upstream", rows[i].name,
				SPAN_ARG(plan->head.fields[k].name));
}

static void
one(size_t i, bool deferred)
{
	struct stage s;
	struct call c;
	struct pass p;
	char policy[512], path[256], query[1024], header[1024], body[2048], *late = NULL;

	memset(&p, 0, sizeof(p));
	snprintf(policy, sizeof(policy), ROUTES "%sdefault: permit\n", rows[i].rules);
	stage_up(&s, policy);
	struct note n = { .person = "alice",
		.path = filled(&s, rows[i].path, path, sizeof(path)),
		.query = filled(&s, rows[i].query, query, sizeof(query)),
		.body = filled(&s, rows[i].body, body, sizeof(body)),
		.headers = { filled(&s, rows[i].header, header, sizeof(header)) },
		.no_length = true };
	char length[64];
	size_t k = n.headers[0] ? 1 : 0;
	snprintf(length, sizeof(length), "content-length: %zu", strlen(body));
	n.headers[k] = deferred ? "transfer-encoding: chunked" : length;
	if (!rows[i].header || strncmp(rows[i].header, "content-type", 12))
		n.headers[k + 1] = "content-type: application/json";
	call_do(&s, &n, &c);
	if (strcmp(call_var(&c, "decision"), deferred ? "defer" : rows[i].decision))
		fail_msg("%s: %s", rows[i].name, call_var(&c, "decision"));
	if (!deferred)
		assert_string_equal(call_var(&c, "via"), rows[i].via);
	if (!strcmp(call_var(&c, "via"), "relay")) {
		int64_t len = deferred ? -1 : (int64_t)strlen(body);
		assert_int_equal(pass_claim(&s, 1, &p, &c, len), 0);
		if (deferred) {
			late = strdup(body);
			assert_true(gate_hold(p.x, strlen(late)));
			gate_body(p.x, span_str(late), pass_ruled, &p);
			stage_settle(&s);
			assert_true(p.ruled);
		}
		if (p.denied != (strcmp(rows[i].decision, "deny") == 0))
			fail_msg("%s, late: denied %d", rows[i].name, p.denied);
		if (!p.denied)
			check_sent(i, &s, &n, gate_plan(p.x));
	}
	for (size_t f = 0; f < 4 && rows[i].record[f]; f += 2)
		if (strcmp(stage_field(0, rows[i].record[f]), rows[i].record[f + 1]))
			fail_msg("%s: %s is %s", rows[i].name, rows[i].record[f],
				stage_field(0, rows[i].record[f]));
	assert_false(stage_records_hold(s.key[0]));
	assert_false(stage_records_hold(OTHER));
	if (p.x)
		pass_finish(&p, p.denied ? END_DENIED : END_NEVER_SENT, 0, -1, -1);
	stage_settle(&s);
	stage_down(&s);
	free(late);
}

static void
values_and_credentials_are_replaced_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		one(i, false);
		one(i, true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_credentials_are_replaced_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
