/* What is replaced besides findings, through the gate: further mentions of a value that
 * was found, and credentials; at once and with a body that comes late. %K is alice's key,
 * which she shows in Authorization, %O one that nobody knows;
 * hers again: %B as Basic has it, %H in hexadecimal, %U in capitals,
 * %M in both, %E escaped twice, %P once, %S here and there, %T three times; %Z its low lines
 * alone, %L its last letter, %Q every second one; %A as programs have its bytes, %C with
 * colons, %D with blanks. %X: nobody's, in both. */
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
#define OTHERS                                                                                 \
	"g_abcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk" /* after the t */
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
	const char *header;    /* of the caller */
	const char *decision, *via;
	const char *sent;      /* the body; NULL: as it came */
	const char *target;    /* path and query that are sent; NULL: as they came */
	const char *record[4]; /* path, value, … */
} rows[] = {
	{ "a password is not readable where nothing says that it is one", REDACT, NULL, NULL,
	  SAYS("my password is quuxel47") ",\"x\":[\"quuxel47\",\"aquuxel47\",{\"quuxel47\":\"a quuxel47.\"}]}", NULL,
	  "redact", "relay",
	  SAYS("my password is <GENERIC_SECRET_1>") ",\"x\":[\"<GENERIC_SECRET_1>\",\"aquuxel47\",{\"<GENERIC_SECRET_1>\":"
	  "\"a <GENERIC_SECRET_1>.\"}]}", NULL,
	  { "entities.GENERIC_SECRET.count", "4", "entities.GENERIC_SECRET.mentions", "3" } },
	{ "nor is one that stands before", REDACT, "/api/x", NULL, "{\"a\":\"quuxel47\",\"b\":\"my password is quuxel47\"}", NULL,
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
	{ "a drug's code is, too", REDACT, "/api/x", NULL, "{\"a\":\"NDC 00777310502\",\"b\":\"00777310502\"}", NULL,
	  "redact", "relay", "{\"a\":\"NDC <NDC_1>\",\"b\":\"<NDC_1>\"}", NULL, { NULL } },
	{ "the address of a personal page is, too", REDACT, "/api/x", NULL,
	  "{\"a\":\"my blog: https://ada.example.org/posts\",\"b\":\"is https://ada.example.org/posts down?\"}", NULL,
	  "redact", "relay", "{\"a\":\"my blog: <URL_1>\",\"b\":\"is <URL_1> down?\"}", NULL, { NULL } },
	{ "a name of two words is, too", REDACT, "/api/x", NULL,
	  "{\"a\":\"first_name: Qorvim\",\"b\":\"patient name: Ruvela Qorvim\",\"c\":\"so ruvela qorvim or Ruvela Qorvim or Qorvim\"}",
	  NULL, "redact", "relay",
	  "{\"a\":\"first_name: <PERSON_1>\",\"b\":\"patient name: <PERSON_2>\",\"c\":\"so ruvela qorvim or <PERSON_2> or Qorvim\"}",
	  NULL, { NULL } },
	{ "a date of birth is, too, where it is written alike", "rules: [{name: r, redact: {classes: [pii]}}]\n", "/api/x", NULL,
	  "{\"a\":\"born 1990-01-02\",\"b\":\"v 1990-01-02\",\"c\":\"1990-01-03\"}", NULL, "redact", "relay",
	  "{\"a\":\"born <DATE_OF_BIRTH_1>\",\"b\":\"v <DATE_OF_BIRTH_1>\",\"c\":\"1990-01-03\"}", NULL, { NULL } },
	{ "a code of few digits does not spread", REDACT, "/api/x", NULL,
	  "{\"a\":\"CVV: 4821\",\"b\":\"4821\",\"c\":\"ZIP 90210\",\"d\":\"90210\",\"e\":\"CPT 99213\",\"f\":\"99213\"}", NULL,
	  "redact", "relay",
	  "{\"a\":\"CVV: <CVV_1>\",\"b\":\"4821\",\"c\":\"ZIP <US_ZIP_CODE_1>\",\"d\":\"90210\",\"e\":\"CPT <CPT_1>\",\"f\":\"99213\"}",
	  NULL, { NULL } },
	{ "a user who is called as the model and a tool are: these keep their names", REDACT, NULL, NULL,
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
	{ "ages and places do not spread", REDACT, "/api/x", NULL,
	  "{\"a\":\"born 1990-01-02 in Paris\",\"b\":\"v1990\",\"c\":\"paris\"}", NULL, "redact", "relay",
	  "{\"a\":\"born <DATE_OF_BIRTH_1> in <LOCATION_1>\",\"b\":\"v1990\",\"c\":\"paris\"}", NULL, { NULL } },
	{ "what nobody redacts does not spread", PERMIT, "/api/x", NULL,
	  "{\"a\":\"my password is quuxel47\",\"b\":\"quuxel47\"}", NULL, "permit", "direct", NULL, NULL, { NULL } },
	{ "where the model's name would have to change the request is denied", REDACT, NULL, NULL,
	  "{\"model\":\"quuxel47\",\"messages\":[{\"role\":\"user\",\"content\":\"my password is quuxel47\"}]}", NULL,
	  "deny", "", NULL, NULL, { "code", "content_policy_violation", "model", "<redacted>" } },
	{ "what is denied is not kept where the path repeats it", "rules: [{name: r, when: '\"secret\" in prompt.classes', deny: true}]\n",
	  "/api/quuxel47", NULL, "{\"a\":\"my password is quuxel47\"}", NULL, "deny", "", NULL, NULL,
	  { "request.path", "<redacted>", "rule", "r" } },
	{ "a key of ours as the model's name is denied and not kept", PERMIT, NULL, NULL, "{\"model\":\"%O\",\"messages\":[]}", NULL,
	  "deny", "", NULL, NULL, { "model", "<redacted>" } },
	{ "and as JSON may spell it", PERMIT, NULL, NULL, "{\"model\":\"\\u0074" OTHERS "\",\"messages\":[]}", NULL,
	  "deny", "", NULL, NULL, { "model", "<redacted>" } },
	{ "as JSON may spell it, where it can be replaced", PERMIT, "/api/x", NULL,
	  "{\"\\u0074" OTHERS "\":\"\\u0074" OTHERS "\"}", NULL,
	  "redact", "relay", "{\"<CREDENTIAL_1>\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "2" } },
	{ "and as JSON within JSON does", PERMIT, NULL, NULL,
	  SAYS("a \\\\u0074" OTHERS " b \\\\\\\\u0074\\\\\\\\u0067_\\\\x61bcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk.") "}", NULL,
	  "redact", "relay", SAYS("a <CREDENTIAL_1> b <CREDENTIAL_2>.") "}", NULL, { "credentials", "2" } },
	{ "nor may one so spelled pass inside what nobody reads", PERMIT "on_failure: {unreadable: permit}\n", NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""
	  NOISE "\\u0074" OTHERS NOISE "\"}}]}]}", NULL, "deny", "", NULL, NULL, { "code", "content_policy_violation" } },
	{ "in a text that cannot be read as one, as JSON spells it", PERMIT "on_failure: {unreadable: permit}\n", "/api/x",
	  NULL, "\x01\x02\\u0074" OTHERS, "content-type: application/octet-stream", "deny", "", NULL, NULL, { NULL } },
	{ "the caller's key goes from a body that nothing redacts", PERMIT, NULL, NULL, SAYS("I use %K, x%Ky") "}", NULL,
	  "redact", "relay", SAYS("I use <CREDENTIAL_1>, x<CREDENTIAL_1>y") "}", NULL, { "credentials", "2" } },
	{ "and so does anybody's", PERMIT, "/api/x", NULL, "{\"%O\":\"a\"}", NULL,
	  "redact", "relay", "{\"<CREDENTIAL_1>\":\"a\"}", NULL, { "credentials", "1" } },
	{ "and out of query and path", PERMIT, "/api/%O/x", "a=%K&b", "{}", NULL, "redact", "relay", NULL,
	  "/api/%3CCREDENTIAL_1%3E/x?a=%3CCREDENTIAL_2%3E&b", { "request.path", "<redacted>" } },
	{ "in a text that cannot be read as one it stops the request", PERMIT "on_failure: {unreadable: permit}\n", "/api/x",
	  NULL, "\x01\x02%O", "content-type: application/octet-stream", "deny", "", NULL, NULL, { NULL } },
	{ "nor may one pass inside what nobody reads", PERMIT "on_failure: {unreadable: permit}\n", NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{\"data\":\""
	  NOISE "%O" NOISE "\"}}]}]}", NULL, "deny", "", NULL, NULL, { "code", "content_policy_violation" } },
	{ "what only begins like a key is none", PERMIT, "/api/x", NULL, "{\"a\":\"tg_abcd1234_0123\"}", NULL,
	  "permit", "direct", NULL, NULL, { NULL } },
	{ "a header of any name that holds the caller's key takes the relay, which drops it", PERMIT, "/api/x", NULL, "{}",
	  "x-was: Bearer %K", "permit", "relay", NULL, NULL, { NULL } },
	{ "and so does one that holds anybody's", PERMIT, "/api/x", NULL, "{}", "referer: https://h/?k=%O",
	  "permit", "relay", NULL, NULL, { NULL } },
	{ "in base64 her key is her key", PERMIT, "/api/x", NULL, "{}", "x-was: Basic %B", "permit", "relay", NULL, NULL, { NULL } },
	{ "and in escapes", PERMIT, "/api/x", NULL, "{}", "x-was: 100%25 %E", "permit", "relay", NULL, NULL, { NULL } },
	{ "and as a header's name", PERMIT, "/api/x", NULL, "{}", "x-was-%K: 1", "permit", "relay", NULL, NULL, { NULL } },
	{ "and in hexadecimal, in a body", PERMIT, "/api/x", NULL, "{\"a\":\"i use %H.\"}", NULL,
	  "redact", "relay", "{\"a\":\"i use <CREDENTIAL_1>.\"}", NULL, { "credentials", "1" } },
	{ "and in its capitals", PERMIT, "/api/x", NULL, "{\"a\":\"i use %U, f0%U.\"}", NULL,
	  "redact", "relay", "{\"a\":\"i use <CREDENTIAL_1>, f0<CREDENTIAL_1>.\"}", NULL, { "credentials", "2" } },
	{ "and in both, after half a byte", PERMIT, "/api/x", NULL, "{\"a\":\"f%M0\"}", NULL,
	  "redact", "relay", "{\"a\":\"f<CREDENTIAL_1>0\"}", NULL, { "credentials", "1" } },
	{ "anybody's, too", PERMIT, "/api/x", NULL, "{\"a\":\"%X\"}", NULL,
	  "redact", "relay", "{\"a\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "and in escapes, in a body", PERMIT, NULL, NULL, SAYS("100%% of a%P b %S, %E; %T") "}", NULL,
	  "redact", "relay", SAYS("100%% of a<CREDENTIAL_1> b <CREDENTIAL_2>, <CREDENTIAL_3>; <CREDENTIAL_4>") "}", NULL,
	  { "credentials", "4" } },
	{ "its low lines in escapes", PERMIT, NULL, NULL, SAYS("a %Z b") "}", NULL,
	  "redact", "relay", SAYS("a <CREDENTIAL_1> b") "}", NULL, { "credentials", "1" } },
	{ "its last letter", PERMIT, NULL, NULL, SAYS("https://x/?k=%L b") "}", NULL,
	  "redact", "relay", SAYS("https://x/?k=<CREDENTIAL_1> b") "}", NULL, { "credentials", "1" } },
	{ "every second one", PERMIT, "/api/x", NULL, "{\"a\":\"%Q\"}", NULL,
	  "redact", "relay", "{\"a\":\"<CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "its bytes as a program's", PERMIT, NULL, NULL, SAYS("f('%A')") "}", NULL,
	  "redact", "relay", SAYS("f('<CREDENTIAL_1>')") "}", NULL, { "credentials", "1" } },
	{ "with colons, after an odd digit", PERMIT, NULL, NULL, SAYS("a%C.") "}", NULL,
	  "redact", "relay", SAYS("a<CREDENTIAL_1>.") "}", NULL, { "credentials", "1" } },
	{ "with blanks", PERMIT, "/api/x", NULL, "{\"a\":\"be it %D\"}", NULL,
	  "redact", "relay", "{\"a\":\"be it <CREDENTIAL_1>\"}", NULL, { "credentials", "1" } },
	{ "with blanks in a header", PERMIT, "/api/x", NULL, "{}", "x-was: %D", "permit", "relay", NULL, NULL, { NULL } },
	{ "in a header, in capitals", PERMIT, "/api/x", NULL, "{}", "x-was: a%U", "permit", "relay", NULL, NULL, { NULL } },
	{ "in a header, escaped three times", PERMIT, "/api/x", NULL, "{}", "x-was: %T", "permit", "relay", NULL, NULL, { NULL } },
	{ "digits and escapes without one are nothing", PERMIT, "/api/x", NULL,
	  "{\"a\":\"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08 %74%67%5F 100%25\"}", NULL,
	  "permit", "direct", NULL, NULL, { NULL } },
	{ "and in a query that escapes it twice", PERMIT, "/api/x", "a=%E", "{}", NULL,
	  "redact", "relay", NULL, "/api/x?a=%3CCREDENTIAL_1%3E", { "credentials", "1" } },
	/* reasoning that the provider signed */
	{ "a signed block with something in it goes with the others of its turn", REDACT, MSG, NULL,
	  TALK(MODEL(HIDDEN "," TEXT("a") "," THINKS("to " MAIL) ", " THINKS("b")) USER(TEXT("c"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("c"))), NULL, { "signed_reasoning", "{\"blocks\":3,\"dropped\":3,\"left\":0}" } },
	{ "blocks of other turns stay as they came", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("a") "," TEXT("b")) USER(TEXT("c")) "," MODEL(THINKS(MAIL) "," TEXT("d")) USER(TEXT(MAIL))), NULL,
	  "redact", "relay",
	  TALK(MODEL(THINKS("a") "," TEXT("b")) USER(TEXT("c")) "," MODEL(TEXT("d")) USER(TEXT("<EMAIL_ADDRESS_1>"))), NULL,
	  { "signed_reasoning", "{\"blocks\":2,\"dropped\":1,\"left\":0}" } },
	{ "what looks like a name in a seal is chance", REDACT, MSG, NULL,
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"a\",\"signature\":\"PhBai/PlfBq02FB5Bb1Yh7/ayHGRaHaJiU5xJoh01WIzwZhL7r/Zvy1M9tvX9"
	  "SpRRNczIQ2a+g5ond8tHZIDKN4fy2f9ka9fhrLERhd2ipRwUyWXmTdSdIGQX6NRl1uzmcX7ue9Y3LDVV0n5+kxFLh+agDi7/le6pT9Ib/dEcyF6VYjJ3y38noeFcf6eDR"
	  "FqbIzYnMdK\"}") USER(TEXT("c"))), NULL, "permit", "direct", NULL, NULL, { "entities", "" } },
	{ "without anything in them they all stay", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("a") "," TEXT(MAIL)) USER(TEXT("c"))), NULL, "redact", "relay",
	  TALK(MODEL(THINKS("a") "," TEXT("<EMAIL_ADDRESS_1>")) USER(TEXT("c"))), NULL,
	  { "signed_reasoning", "{\"blocks\":1,\"dropped\":0,\"left\":0}" } },
	{ "a further mention is something", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS("quuxel47 it is") "," TEXT("a")) USER(TEXT("my password is quuxel47"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("my password is <GENERIC_SECRET_1>"))), NULL, { NULL } },
	{ "a key of ours too", PERMIT, MSG, NULL, TALK(MODEL(TEXT("a") " , " THINKS("%O")) USER(TEXT("b"))), NULL,
	  "redact", "relay", TALK(MODEL(TEXT("a") " ") USER(TEXT("b"))), NULL, { NULL } },
	{ "a message is not left empty", REDACT, MSG, NULL, TALK(MODEL(" " THINKS(MAIL) "," HIDDEN " ") USER(TEXT("b"))), NULL,
	  "redact", "relay", TALK(MODEL(" " TEXT("<REASONING>") " ") USER(TEXT("b"))), NULL, { NULL } },
	{ "where the last turn's tool calls are under way the request is denied", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER)), NULL, "deny", "", NULL, NULL,
	  { "code", "signed_content", "status", "403" } },
	{ "calls that the provider answers itself are calls", REDACT, MSG, NULL,
	  TALK(USER(TEXT("a")) "," "{\"role\":\"assistant\",\"content\":[" THINKS(MAIL)
	  ",{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}]}"), NULL, "deny", "", NULL, NULL,
	  { "code", "signed_content" } },
	{ "however many calls it has made", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER) "," MODEL(THINKS("b") "," CALL) USER(ANSWER "," TEXT("and"))), NULL,
	  "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "calls of turns before are nothing", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," CALL) USER(ANSWER) "," MODEL(THINKS("b") "," TEXT("c")) USER(TEXT("d"))), NULL,
	  "redact", "relay", TALK(MODEL(CALL) USER(ANSWER) "," MODEL(TEXT("c")) USER(TEXT("d"))), NULL, { NULL } },
	{ "nor are calls that the signed turn came before", REDACT, MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b")) "," MODEL(THINKS("c") "," CALL) USER(ANSWER)), NULL,
	  "redact", "relay", TALK(MODEL(TEXT("a")) USER(TEXT("b")) "," MODEL(THINKS("c") "," CALL) USER(ANSWER)), NULL, { NULL } },
	{ "a policy may deny", REDACT "on_failure: {signed: deny}\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "or leave them, on record", REDACT "on_failure: {signed: leave}\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT(MAIL))), NULL, "redact", "relay",
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("<EMAIL_ADDRESS_1>"))), NULL,
	  { "signed_reasoning", "{\"blocks\":1,\"dropped\":0,\"left\":1}" } },
	{ "but not with a key of ours", PERMIT "on_failure: {signed: leave}\n", MSG, NULL,
	  TALK(MODEL(THINKS("%O") "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "code", "signed_content" } },
	{ "a rule that denies what is in them denies", "rules: [{name: r, when: '\"pii\" in prompt.classes', deny: true}]\n", MSG, NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "deny", "", NULL, NULL, { "rule", "r" } },
	{ "what nobody signed is rewritten", REDACT, MSG, NULL,
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"" MAIL "\"}," TEXT("a")) USER(TEXT("b"))), NULL, "redact", "relay",
	  TALK(MODEL("{\"type\":\"thinking\",\"thinking\":\"<EMAIL_ADDRESS_1>\"}," TEXT("a")) USER(TEXT("b"))), NULL, { NULL } },
	{ "blocks of the same shape in a dialect without a table", REDACT, "/api/x", NULL,
	  TALK(MODEL(THINKS(MAIL) "," TEXT("a")) USER(TEXT("b"))), NULL, "redact", "relay",
	  TALK(MODEL(TEXT("a")) USER(TEXT("b"))), NULL, { NULL } },
	{ "Bedrock's", REDACT, "/api/x", NULL,
	  TALK(MODEL("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"" MAIL "\",\"signature\":\"" SEAL "\"}}}") USER("{\"text\":\"b\"}")),
	  NULL, "redact", "relay", TALK(MODEL("{\"text\":\"<REASONING>\"}") USER("{\"text\":\"b\"}")), NULL, { NULL } },
	{ "those that gateways put beside the content", REDACT, NULL, NULL,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"thinking_blocks\":[" THINKS(MAIL) "]},"
	  "{\"role\":\"user\",\"content\":\"b\"}]}", NULL, "redact", "relay",
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"thinking_blocks\":[]},"
	  "{\"role\":\"user\",\"content\":\"b\"}]}", NULL, { NULL } },
	{ "any other header is nothing", PERMIT, "/api/x", NULL, "{}", "x-is: Bearer abc", "permit", "direct", NULL, NULL, { NULL } },
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

/* With the keys in it. */
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
values_and_credentials_go_wherever_they_stand(void **state)
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
		cmocka_unit_test(values_and_credentials_go_wherever_they_stand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
