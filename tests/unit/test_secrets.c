/* Secrets: values that a checksum or decoded content confirms, the effect of a typing error,
 * and key=value in common spellings. All values are invented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "scan/detect/engine.h"
#include "support/detect_fix.h"
#include "support/naive.h"

static struct findings
scan(struct detect_fix *f, struct span text)
{
	struct findings v;

	assert_int_equal(detect_fix_scan(f, text, NULL, &v), 0);
	return v;
}

/* ---- values that confirm themselves ---- */

#define LETTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define SENTRY_JSON                                                                            \
	"eyJpYXQiOjE3MDAwMDAwMDAsInVybCI6Imh0dHBzOi8vc2VudHJ5LmV4YW1wbGUiLCJvcmciOiJtYWRl"     \
	"LXVwIn0="
#define PYPI                                                                                   \
	"pypi-"                                                                                \
	"AgEIcHlwaS5vcmcCJDAwMDAwMDAwLW1hZGUtdXAwMC0wMDAwLW5vdHJlYWwwMDAwMAACJXsidmVyc2lv"     \
	"biI6IDEsICJwZXJtaXNzaW9ucyI6ICJ1c2VyIn0AAAYgbWFkZS11cC1zaWduYXR1cmUtbm90LWEtcmVhbC1v" \
	"bmU"
#define XPRV                                                                                   \
	"xprv9s21ZrQH143K39X3qCJA5uPqiVsGZq59iA7WEcHaKy5NfR5b8iHun9Kq3NZ3S1ZDRwmefoCbjnYXeSeh" \
	"8y7D8fEuGHBWtM6kqkFAkLgTPz2"

static const struct {
	const char *name, *text, *entity;
	bool proven; /* else found with three quarters of its score */
} proofs[] = {
	{ "a GitHub token ends with the CRC-32 of its middle",
		"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", "GITHUB_TOKEN", true },
	{ "a GitHub token with one letter wrong is found, not proven",
		"ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkI0mLq17", "GITHUB_TOKEN", false },
	{ "an npm token has the same checksum", "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",
		"NPM_TOKEN", true },
	{ "an npm token with its checksum's digits exchanged",
		"npm_1Up2Specimen3Not4A5Real6Token73ym5sO", "NPM_TOKEN", false },
	{ "a Grafana token: lowest byte first, the prefix counted",
		"glsa_Made1Up2Specimen3Not4A5Real6Toke_18131bf4", "GRAFANA_TOKEN", true },
	{ "the same with the highest byte first",
		"glsa_Made1Up2Specimen3Not4A5Real6Toke_f41b1318", "GRAFANA_TOKEN", false },
	{ "a PyPI token is a whole macaroon", PYPI, "PYPI_TOKEN", true },
	{ "a PyPI token that was cut",
		"pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAwLW1hZGUtdXAwMC0wMDAwLW5vdHJlYWwwMDAwMAAC",
		"PYPI_TOKEN", false },
	{ "an age identity is bech32",
		"AGE-SECRET-KEY-1D4SKGEFQW4CZCGR0WPJKUUEQDEHHG6RFDENJQCT5YPSKCMPPYYSSGAFXDZ",
		"AGE_SECRET_KEY", true },
	{ "an age identity with two letters exchanged",
		"AGE-SECRET-KEY-1D4SKGEFQW4CZCGR0WPJKUUEQDEHHG6RFDENJQCT5YPSKCMPPYYSSGAFXZD",
		"AGE_SECRET_KEY", false },
	{ "a Nostr key is bech32",
		"nsec1d4skgefqw4czcgr0wpjkuueqdehhg6rfdenjqct5ypskcmppyysspu367l",
		"CRYPTO_PRIVATE_KEY", true },
	{ "an extended private key is Base58Check", XPRV, "CRYPTO_PRIVATE_KEY", true },
	{ "a Sentry token carries JSON",
		"sntrys_" SENTRY_JSON "_Made1Up2Specimen3Not4A5Real6Token7ade1Up2Sp",
		"SENTRY_TOKEN", true },
	{ "a Discord bot's token begins with its id",
		"MTAyOTM4NDc1NjEwMjkzODQ3.GmAdEU.Made1Up-Specimen_Not4A5Real6Token7ade1",
		"DISCORD_TOKEN", true },
	{ "a basic header is user:password in base64",
		"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "HTTP_CREDENTIALS", true },
	{ "an AWS key id holds an account", "ASIAY34FZKBOKMUTVV7A", "AWS_ACCESS_KEY", false },
	{ "a PuTTY file is found to its MAC",
		"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: "
		"5ca1ab1e0ddba11dec0ded5eedfacadeca1ab1e0ddba11dec0ded5eedfacade5",
		"PRIVATE_KEY", true },
};

static void
valid_checksum_confirms_and_invalid_one_is_still_found(void **state)
{
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		struct findings v = scan(f, span_str(proofs[i].text));
		if (v.n != 1 ||
			strcmp(detect_entity_name(f->rules, v.v[0].entity), proofs[i].entity))
			fail_msg("%s: %zu findings, the first %s", proofs[i].name, v.n,
				v.n ? detect_entity_name(f->rules, v.v[0].entity) : "none");
		if (!!(v.v[0].flags & FINDING_VALIDATED) != proofs[i].proven)
			fail_msg("%s: flags %x", proofs[i].name, v.v[0].flags);
		arena_reset(&f->arena);
	}
}

static float
score_of(struct detect_fix *f, const char *text)
{
	struct findings v = scan(f, span_str(text));
	float score = v.n == 1 ? v.v[0].score : -1;

	arena_reset(&f->arena);
	return score;
}

static void
failed_checksum_reduces_the_score_by_a_quarter(void **state)
{
	float good = score_of(*state, "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");
	float bad = score_of(*state, "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18");
	float impossible = score_of(*state, "ASIA7Y7Z7X7W7ABCDEFG");

	assert_true(good > 0.9f && bad > 0.7f && bad < 0.72f);
	assert_true(impossible > 0.7f && impossible < 0.72f);
}

/* Every single wrong letter is detected, and none loses the finding. */
static void
typing_error_does_not_hide_a_token(void **state)
{
	struct detect_fix *f = *state;
	char text[] = "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";

	for (size_t at = 4; at < sizeof(text) - 1; at++) {
		char was = text[at];
		for (const char *c = LETTERS; *c; c++) {
			if (*c == was)
				continue;
			text[at] = *c;
			struct findings v = scan(f, span_str(text));
			assert_int_equal(v.n, 1);
			assert_false(v.v[0].flags & FINDING_VALIDATED);
			arena_reset(&f->arena);
		}
		text[at] = was;
	}
}

/* A token that ends early is not found, or found by its remaining part. Nothing is read beyond
 * the end. */
static void
cut_token_is_not_read_beyond_its_end(void **state)
{
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		for (size_t n = 1; n <= strlen(proofs[i].text); n++) {
			struct findings v = scan(f, span_of(proofs[i].text, n));
			for (size_t k = 0; k < v.n; k++)
				assert_true(v.v[k].end <= n);
			arena_reset(&f->arena);
		}
}

/* ---- key = value ---- */

#define V     "Zf3D0LXCM3EIMbgJpUNnkRtOfOueHznB"
#define P     "Tr0ub4dor&3"
#define HEX64 "5ca1ab1e0ddba11dec0ded5eedfacade5ca1ab1e0ddba11dec0ded5eedfacade"

static const struct {
	const char *name, *text, *want; /* NULL: no secret */
} rows[] = {
	{ "a variable's name and value in two lines",
		"- name: SHOP_API_TOKEN\n  value: \"" V "\"", V },
	{ "a variable of Terraform", "variable \"api_key\" {\n  default = \"" V "\"\n}", V },
	{ "a declaration with its type", "let apiKey: String = \"" V "\"", V },
	{ "an attribute and its value", "<add key=\"ApiSecret\" value=\"" V "\" />", V },
	{ "an image's environment", "ENV SHOP_TOKEN " V, V },
	{ "an option", "shop login --token " V, V },
	{ "a row of a table", "| api_key | " V " |", V },
	{ "a sentence", "my secret key for the shop is " V ". Thanks", V },
	{ "JSON inside a JSON string", "{\"a\":\"{\\\"token\\\":\\\"" V "\\\"}\"}", V },
	{ "base64 with slashes is no path",
		"secret_key = dIW/GDdFGkJNMKB2tA8WOpfxiyzUvBEJgoG2a8mzdXM=",
		"dIW/GDdFGkJNMKB2tA8WOpfxiyzUvBEJgoG2a8mzdXM=" },
	{ "letters alone, their case thrown", "API_KEY=DxYYMfGmzWkpAePcEJIu",
		"DxYYMfGmzWkpAePcEJIu" },
	{ "bold markdown", "**API Key:** " V, V },
	{ "an assignment of R", "api_key <- \"" V "\"", V },
	{ "an assignment of make", "API_TOKEN ?= " V, V },
	{ "a macro", "#define API_KEY \"" V "\"", V },
	{ "a declaration of BASIC", "Dim apiKey As String = \"" V "\"", V },
	{ "an argument of a setter", "user.setPassword(\"" P "\");", P },
	{ "an argument of a connection", "getConnection(url, \"ada\", \"" P "\")", P },
	{ "the login of a registry", "docker login -u ada -p " P " host", P },
	{ "an AWS secret in the line after its id",
		"ASIAQNZGKIQY56JQ7WML\nMade1Up2Specimen3Not4A5Real6Token7ade1Up",
		"Made1Up2Specimen3Not4A5Real6Token7ade1Up" },
	{ "small letters and digits, few digits",
		"api_secret = ys64ge0rcytbpzccvgat1p9ja2g94oe5ofnrk",
		"ys64ge0rcytbpzccvgat1p9ja2g94oe5ofnrk" },
	{ "small letters alone", "auth_token: \"xqvzjdkwpfhmrtgbnslycokq\"",
		"xqvzjdkwpfhmrtgbnslycokq" },
	{ "capitals alone", "SHOP_API_KEY=QJZKVXWPDFGHMRTBNLCSYQOK",
		"QJZKVXWPDFGHMRTBNLCSYQOK" },
	{ "sixteen hexadecimal digits", "api_key = '9f27c0b4d81e6a35'", "9f27c0b4d81e6a35" },
	{ "sixteen letters whose case is thrown", "secret=kQzWvbXtPfJmHdRn",
		"kQzWvbXtPfJmHdRn" },
	{ "small letters within a sentence", "the token is xqvzjdkwpfhmrtgb and it expires",
		"xqvzjdkwpfhmrtgb" },
	{ "the value beside a name in JSON",
		"{\"name\": \"SHOP_TOKEN\", \"value\": \"wmtzkquvbdjrxfhpgsncly\"}",
		"wmtzkquvbdjrxfhpgsncly" },
	{ "the same with its type between them",
		"{\"Key\":\"api_key\",\"Type\":\"String\",\"Value\":\"9f27c0b4d81e6a35\"}",
		"9f27c0b4d81e6a35" },
	{ "the same of a password", "{\"name\": \"DB_PASSWORD\", \"value\": \"" P "\"}", P },
	{ "a value in the line below a block scalar's header",
		"api_token: |\n  9f27c0b4d81e6a35\n", "9f27c0b4d81e6a35" },
	{ "the same, folded and stripped",
		"auth:\n  token: >-\r\n    xqvzjdkwpfhmrtgbnslycokq\r\n",
		"xqvzjdkwpfhmrtgbnslycokq" },
	{ "the same of a password", "db_password: |-\n    " P "\n", P },
	{ "text in the lines below a block scalar's header",
		"token: |\n  The token of the service, see README.\n", NULL },
	{ "a number of C", "  CAM_PASS_ERR = 0x00010000,/* bits */", NULL },
	{ "a type in escaped markup", "[, passphrase: &#x3C;Buffer|TypedArray2>]", NULL },
	{ "a class of characters", "HTTP_TOKEN_CODEPOINTS = /^[!#$%&'*+\\-.^_|~A-Za-z0-9]+$/",
		NULL },
	{ "a key that is hexadecimal and says so",
		"private_key = 0x9f27c0b4d81e6a35b70d2c94e8f1a6530b7d",
		"0x9f27c0b4d81e6a35b70d2c94e8f1a6530b7d" },
	{ "a name and its type in a comment", "oauth2JwtBearer: Oauth2JwtBearer.", NULL },
	{ "a command and its abbreviation", "|:pwd|\t\t:pw[d]\t\tprint", NULL },
	{ "words of a passphrase that are one word", "secret = correcthorsebatterystaple",
		NULL },
	{ "Dutch words", "token: wachtwoordvoordeserver", NULL },
	{ "letters and digits in their order", "api_key = '0123456789abcdefghij'", NULL },
	{ "a function's name in capitals and joints", "token = GL_COMPRESSED_SRGB8_ETC2",
		NULL },
	{ "a type's abbreviation and digits", "auth = gsskrb5_ctx_id_t", NULL },
	{ "letters alone, in camel case", "api_key=getUserTokenFromHTTPSServer", NULL },
	{ "a class that is named for keys", "(Ed25519PrivateKey, Ed25519PublicKey)", NULL },
	{ "a password written together with its owner", "PGPASSWORD=" P " psql", P },
	{ "a password in French", "mot de passe : " P, P },
	{ "a password in Russian", "пароль: " P, P },
	{ "a password of two classes, with signs", "Passwort: \"wqkz#xv!pj\"", "wqkz#xv!pj" },
	{ "a password of letters that are no word", "hasło: SPBHQfUu", "SPBHQfUu" },
	{ "a label that ends in a question mark", "Passwort: vergessen?", NULL },
	{ "two words and their joint", "wachtwoord: niet-gewijzigd", NULL },
	{ "a password in Chinese, with their colon", "密码：" P, P },
	{ "a password that begins with a sign", "DB_PASSWORD=@Tr0ub4dor3", "@Tr0ub4dor3" },
	{ "a variable in a password's place", "DB_PASSWORD=$DB_PASSWORD", NULL },
	{ "a call in a password's place", "password = readPassword2()", NULL },
	{ "a member in a password's place", "password: req.body.password1", NULL },
	{ "an argument in a password's place", "def add(user, passwd, is_set=False1)", NULL },
	{ "a password in SQL", "CREATE USER ada IDENTIFIED BY '" P "';", P },
	{ "a password of a command", "mysql -u root -p" P " shop", P },
	{ "a vendor's name inside another word",
		"CameraKit: 5ca1ab1e0ddba11dec0ded5eedfacadeca1ab1e0", NULL },
	{ "a vendor's key that names something else",
		"datadog_trace_id=5ca1ab1e0ddba11dec0ded5eedfacade", NULL },
	{ "a database's password", "postgres://app:" P "@db:5432/x", P },
	{ "a database's example password", "postgres://app:password@db:5432/x", NULL },
	{ "a map of Kubernetes that is no secret", "kind: ConfigMap\ndata:\n  mode: ZGFyaw==\n",
		NULL },
	/* special characters: either the whole value is redacted, or nothing */
	{ "angle brackets in a line of an environment file", "DB_PASSWORD=Xy9<kLm>2!q\nDB=1\n",
		"Xy9<kLm>2!q" },
	{ "a semicolon and braces, quoted", "password: 'pA;ss9{w}0rd'\n", "pA;ss9{w}0rd" },
	{ "a leading dash", "ADMIN_PASSWORD=-Lead9ing!Dash\n", "-Lead9ing!Dash" },
	{ "leading dots", "password = ..D0tted.pw7X\n", "..D0tted.pw7X" },
	{ "a backslash", "\"pwd\": 'Back\\slash9!x'", "Back\\slash9!x" },
	{ "a leading brace", "PASS={Curly7}Brace$\n", "{Curly7}Brace$" },
	{ "a leading angle bracket", "password: \"<Ang1e!start\"", "<Ang1e!start" },
	{ "a leading dollar that is no variable", "password=$Dollar9!pre\n", "$Dollar9!pre" },
	{ "an equals sign first", "DB_PASSWORD==Equ4ls=in=it!\n", "=Equ4ls=in=it!" },
	{ "a comma", "{\"password\":\"K8,comma!x2\"}", "K8,comma!x2" },
	{ "a bar", "the password is p|pe9|InIt!", "p|pe9|InIt!" },
	{ "an end like a tag's", "<password>a<b>c9!Qz</password>", "a<b>c9!Qz" },
	{ "signs in an SQL statement", "ALTER USER x IDENTIFIED BY 'pA;ss9{w}0rd';",
		"pA;ss9{w}0rd" },
	{ "signs in a command", "mysql -u root -p'-Lead9;ing' shop", "-Lead9;ing" },
	{ "a string connection keeps its semicolons", "Server=d;Uid=a;Password=x9K!;Port=1",
		"x9K!" },
	{ "a query keeps its ampersand", "u=a&password=x9K!mm&next=1", "x9K!mm" },
	{ "a token with signs behind its key", "client_secret: 'k8~Q<9;vB{2}-zR1_mmW0'",
		"k8~Q<9;vB{2}-zR1_mmW0" },
	/* labels in markup */
	{ "a bold label", "**Password:** " P "\n", P },
	{ "a bold label in HTML", "<p><b>Password:</b> " P "</p>", P },
	{ "two cells", "<tr>\n  <td class=\"l\">Password</td>\n  <td>" P "</td>\n</tr>", P },
	{ "a term and its definition", "<dt>API key</dt><dd>" V "</dd>", V },
	{ "a heading cell", "<tr><th>Password</th><td>" P "</td></tr>", P },
	{ "a token as a URL's user", "git clone https://" V "@git.example.net/r.git", V },
	{ "a token behind a user that says so", "https://oauth2:" V "@git.example.net/r.git",
		V },
	{ "a token before an empty password", "https://" V ":@api.example.net/v1", V },
	{ "a token before a password that says nothing",
		"https://" V ":x-oauth-basic@git.example.net/r.git", V },
	/* a vendor's prefix, with more or fewer characters than its current tokens */
	{ "a longer key of Groq", "x gsk_" V "Zf3D0LXCM3EIMbgJpUNnkRtOf4OueH y",
		"gsk_" V "Zf3D0LXCM3EIMbgJpUNnkRtOf4OueH" },
	{ "a shorter token of Replicate", "r8_" V, "r8_" V },
	{ "a longer token of DigitalOcean", "dop_v1_" HEX64 "0f1e2d3c4b5a6978",
		"dop_v1_" HEX64 "0f1e2d3c4b5a6978" },
	{ "a name with a vendor's prefix", "hf_servingCellPriorityParametersDescription",
		NULL },
	/* not values */
	{ "a member with digits", "apiKey: config.stripe.keyV2,", NULL },
	{ "an environment", "apiKey: process.env.STRIPE_KEY_2", NULL },
	{ "an environment of Python", "api_key = os.environ['STRIPE_KEY_V2']", NULL },
	{ "an environment with a default", "token = os.getenv(\"TOKEN_V2\", \"\")", NULL },
	{ "a secret of a workflow", "token: ${{ secrets.NPM_TOKEN_V2 }}", NULL },
	{ "a value of a chart", "{{- $password := .Values.auth.rootPassword }}", NULL },
	{ "a filter of a chart", "password: {{ .Values.db.password | b64enc | quote }}", NULL },
	{ "a reference to a vault", "password: vault:secret/data/db2#password1", NULL },
	{ "a reference of vals", "password: ref+vault://secret/db2#/password1", NULL },
	{ "a reference of 1Password", "API_KEY=op://Prod2/stripe/apiKey1", NULL },
	{ "an ARN", "secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-Ab1Cd2",
		NULL },
	{ "a batch variable", "set PASSWORD=%DB_PASSWORD_2%", NULL },
	{ "a format", "password = \"%(db_password2)s\"", NULL },
	{ "a pass rate", "pass rate = 98.7Percent", NULL },
	{ "a list of words", "token, session2Id, userName3", NULL },
	{ "two type parameters", "Converter<ResponseToken, Saml2ResponseResult> c;", NULL },
	{ "a scope", "using llvm::ModulePass::doFinalization2;", NULL },
	{ "a base class", "struct StripPass : PassInfoMixin<StripPass2> {", NULL },
	{ "a cast", "token = (OAuth2AccessToken) restored;", NULL },
	{ "a nullable type", "var changePassword: Function2? = null", NULL },
	{ "a list of literals", "['user_password_wrong', 'weird_227_format']", NULL },
	{ "an encoding", "password.encode(\"latin1\")", NULL },
	{ "a variable of a test", "create_user(user_password = user_001_password, **x)", NULL },
	{ "a cipher", "#define TXT_PSK \"DHE-PSK-AES256-GCM-SHA384\"", NULL },
	{ "a message in another language", "emptyPassword=\\u5bc6\\u7801\\u9519\\u8bef 1",
		NULL },
	{ "a session's id", "session_id=3f2b8c1d-9a4e-4c1b-8f7d-2e6a5b4c3d2e", NULL },
	{ "a UUID under a token", "\"token\": \"3f2b8c1d-9a4e-4c1b-8f7d-2e6a5b4c3d2e\"", NULL },
	{ "a UUID that a key calls secret",
		"client_secret=3f2b8c1d-9a4e-4c1b-8f7d-2e6a5b4c3d2e",
		"3f2b8c1d-9a4e-4c1b-8f7d-2e6a5b4c3d2e" },
	{ "what is to be replaced", "API_KEY=REPLACE_WITH_YOUR_KEY_V2", NULL },
	{ "the example of a password", "\"password\": \"Password123!\"", NULL },
	{ "a user that is its own password", "postgres://postgres:postgres@db:5432/x", NULL },
	{ "a variable inside userinfo", "redis://${REDIS_PASS:-x9}@cache:6379", NULL },
	{ "metadata of another document",
		"metadata:\n  name: a-b2\n  app: c\n---\nkind: Secret\n", NULL },
	{ "a class that authorizes",
		"OAuth2Authorization authorization = OAuth2Authorization.withClient(c);",
		NULL },
	{ "a key's dots", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
		NULL },
	/* random values of which few characters alternate */
	{ "hexadecimal digits with long numbers", "+secret_key: 6862b1ba7e99994802312343",
		"6862b1ba7e99994802312343" },
	{ "small letters with digits inside",
		"flag.StringVar(&token, \"token\", \"oysiqq3virr9td41viskscrd\", \"x\")",
		"oysiqq3virr9td41viskscrd" },
	{ "a dash in a random value", "using access token Git-eQKUC9aFjeeFeOmm5BLA for tenant 4",
		"Git-eQKUC9aFjeeFeOmm5BLA" },
	{ "a name of programs with two numbers", "token = avx512vp2intersectintrin", NULL },
	{ "three letters and digits again and again",
		"integration_key: abc123abc123abc123abc123abc123ab", NULL },
	/* a name and the text between it and its value */
	{ "brackets and particles of Japanese", "API\u30ad\u30fc\u306f\u300c" V "\u300d\u3067\u3059", V },
	{ "an arrow before hexadecimal digits",
		"client secret \u2192 9b3e73b64fe9b9f0d39167e5322229f1",
		"9b3e73b64fe9b9f0d39167e5322229f1" },
	{ "a token in Russian", "\u0422\u043e\u043a\u0435\u043d: " V, V },
	{ "a token in Chinese", "\u8bbf\u95ee\u4ee4\u724c\u662f " V, V },
	{ "short words between", "A chave de API de produ\u00e7\u00e3o \u00e9 " V ".", V },
	{ "a name of two words above its value", "Secret key\n\n" V, V },
	{ "an introduction that ends in a colon",
		"Your token has been created:\n\n    q7xk2mv9rt4bz8wcdn3h\n",
		"q7xk2mv9rt4bz8wcdn3h" },
	{ "a list of values",
		"client_secrets:\n    - d0a4ade46dc5470325db08502e99b44f\n",
		"d0a4ade46dc5470325db08502e99b44f" },
	{ "several passwords", "passwords:\n    - 7uuag8dm0sods25kqpyudg2unwp44x4b\n",
		"7uuag8dm0sods25kqpyudg2unwp44x4b" },
	{ "an option in the source of a man page", "\\-\\-passwd\\-master=FICHERO\\fP", NULL },
	{ "a list of example passwords", "LDAP_PASSWORDS=password1,password2,password3", NULL },
	{ "the options of one command",
		"aws ssm put-parameter --name /x/api_key --value 81ba69eb5d1a2cd3e8c5b7cf0f9e70bcc2f7ad83",
		"81ba69eb5d1a2cd3e8c5b7cf0f9e70bcc2f7ad83" },
	{ "a system property", "mvn -Dencryption-key=lpx3p80szcmyvaammzold605wfkxhlvc",
		"lpx3p80szcmyvaammzold605wfkxhlvc" },
	{ "a name and its value in one literal",
		"line=\"token 03b0c7d0badeee6f84467917378e8b066b4c9550\"",
		"03b0c7d0badeee6f84467917378e8b066b4c9550" },
	{ "the second argument of a verb", "dict set cfg api_key q7xk2mv9rt4bz8wcdn3h",
		"q7xk2mv9rt4bz8wcdn3h" },
	{ "a type before the value", "const api_key: []const u8 = \"" V "\";", V },
	{ "members between a name and its default",
		"SecretKey:\n    Type: String\n    NoEcho: true\n    Default: " V "\n", V },
	{ "a value for want of another", "token = cfg.get(\"token\", fallback=\"" V "\")", V },
	{ "a call that types a password", "cy.get('#password').type('" V "')", V },
	{ "another variable two lines below",
		"credentials, ring := get(t)\n\n\tplaintext := \"dGVzdC1wbGFpbnRleHQ=\"", NULL },
	/* a value before its name */
	{ "a value before the member with its name",
		"{\"value\": \"" V "\",\n  \"name\": \"SHOP_API_KEY\"}", V },
	{ "a value before the argument with its name",
		"keychain.set(\"" V "\", forKey: \"apiToken\")", V },
	{ "a value before its name in a sentence", "Use " V " as your API key.", V },
	{ "an id in such a sentence", "Use " V " as your token id.", NULL },
	{ "a value before another name", "{\"value\": \"" V "\", \"name\": \"SHOP_ETAG\"}",
		NULL },
	{ "a commit before a name",
		"use 03b0c7d0badeee6f84467917378e8b066b4c9550 for the token", NULL },
	{ "a comment that quotes", " * commands identified by \"code\" are conditional", NULL },
};

static void
secrets_are_found_in_common_spellings(void **state)
{
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span text = span_str(rows[i].text), got = { NULL, 0 };
		struct findings v = scan(f, text);
		for (size_t k = 0; k < v.n; k++)
			if (!strcmp(detect_entity_class(f->rules, v.v[k].entity), "secret"))
				got = span_cut(text, v.v[k].start, v.v[k].end);
		if (rows[i].want ? !span_is(got, rows[i].want) : got.p != NULL)
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(got));
		arena_reset(&f->arena);
	}
}

/* ---- random values ---- */

static const struct {
	const char *name, *of;
} alphabets[] = {
	{ "small letters", "abcdefghijklmnopqrstuvwxyz" },
	{ "small letters and digits", "abcdefghijklmnopqrstuvwxyz0123456789" },
	{ "hexadecimal", "0123456789abcdef" },
	{ "capital hexadecimal", "0123456789ABCDEF" },
	{ "capitals", "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
	{ "base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" },
	{ "letters of both cases", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" },
	{ "letters and digits", LETTERS },
	{ "base64url", LETTERS "-_" },
	{ "base64", LETTERS "+/" },
};

static const char *const keys[] = { "api_key", "apiKey", "SHOP_API_KEY", "secret", "token",
	"client_secret", "authToken", "x-auth-token", "private_token", "secretKey" };
static const struct {
	const char *before, *between, *after;
} forms[] = {
	{ "", " = ", "" },
	{ "", "=", "\n" },
	{ "", ": ", "\n" },
	{ "", " = \"", "\";" },
	{ "\"", "\": \"", "\"" },
	{ "my ", " is ", "" },
	{ "<", ">", "</x>" },
	{ "  ", ": '", "'," },
	{ "set shop.", " ", "\n" },
	{ "let my_", " = String::from(\"", "\");" },
	{ "copy(cfg->", ", \"", "\");" },
	{ "my ", " -> ", "\n" },
	{ "<meta name=\"", "\" content=\"", "\">" },
};

static size_t
draw(uint64_t *state, size_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (size_t)(*state % below);
}

static bool
secret_found(struct detect_fix *f, struct span text)
{
	struct findings v = scan(f, text);
	bool found = false;

	for (size_t i = 0; i < v.n; i++)
		found |= !strcmp(detect_entity_class(f->rules, v.v[i].entity), "secret");
	arena_reset(&f->arena);
	return found;
}

/* Returns the share of values that are found, in thousandths. */
static size_t
share_found(struct detect_fix *f, const char *alphabet, size_t length, uint64_t seed)
{
	enum { VALUES = 400 };
	size_t found = 0;

	for (size_t i = 0; i < VALUES; i++) {
		char value[65] = "", text[160];
		for (size_t k = 0; k < length; k++)
			value[k] = alphabet[draw(&seed, strlen(alphabet))];
		const char *key = keys[draw(&seed, COUNT_OF(keys))];
		size_t form = draw(&seed, COUNT_OF(forms));
		int n = snprintf(text, sizeof(text), "%s%s%s%s%s", forms[form].before, key,
			forms[form].between, value, forms[form].after);
		found += secret_found(f, span_of(text, (size_t)n));
	}
	return found * 1000 / VALUES;
}

static void
random_values_are_found_after_a_secret_name(void **state)
{
	static const size_t lengths[] = { 16, 24, 32, 48, 64 };
	struct detect_fix *f = *state;

	for (size_t k = 0; k < COUNT_OF(lengths); k++) {
		size_t sum = 0;
		for (size_t a = 0; a < COUNT_OF(alphabets); a++) {
			size_t share = share_found(f, alphabets[a].of, lengths[k], 61 + a);
			printf("%zu characters, %s: %zu of 1000\n", lengths[k],
				alphabets[a].name, share);
			/* sixteen random letters sometimes look like a word */
			if (share < (lengths[k] < 24 ? 860 : 960))
				fail_msg("%s", alphabets[a].name);
			sum += share;
		}
		assert_true(sum / COUNT_OF(alphabets) >= (lengths[k] < 24 ? 900 : 980));
	}
}

/* ---- names of variables ---- */

enum { FILES = 1500, LINES = 6, FILE_BYTES = 1024 };

static void
put_random(struct buf *b, unsigned *seed, const char *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_putc(b, of[(size_t)rand_r(seed) % strlen(of)]);
}

/* Appends the value of a variable: random, chosen by a person, or none. */
static void
put_variable(struct buf *b, unsigned *seed)
{
	static const char *const words[] = { "", "true", "8080", "changeme", "hunter2hunter2",
		"S3cure!Pa55word", "postgres", "correct-horse-battery", "Zx81kkQv9mB2" };

	switch (rand_r(seed) % 8) {
	case 0:
		put_random(b, seed, LETTERS "+/", 43);
		buf_putc(b, '=');
		break;
	case 1: put_random(b, seed, LETTERS "+/", 32); break;
	case 2: put_random(b, seed, LETTERS, 24); break;
	case 3: put_random(b, seed, "0123456789abcdef", 32); break;
	case 4: put_random(b, seed, "0123456789abcdef", 64); break;
	case 5:
		put_random(b, seed, LETTERS, 12);
		buf_putc(b, '.');
		put_random(b, seed, LETTERS "+/", 24);
		break;
	default: buf_str(b, words[(size_t)rand_r(seed) % COUNT_OF(words)]);
	}
}

/* A value is replaced, its name is not: otherwise an agent that reads the file cannot write the
 * line again. */
static void
name_of_a_variable_is_no_part_of_a_value(void **state)
{
	static const char *const names[] = { "JWT_SECRET", "API_TOKEN", "DB_PASSWORD",
		"SESSION_KEY", "AWS_SECRET_ACCESS_KEY", "SMTP_PASS", "client_secret", "PORT",
		"DEBUG", "api-key", "jwt.secret", "apiKey" };
	static const char *const written[][2] = { { "", "=" }, { "export ", "=" }, { "- ", "=" },
		{ "", " = " }, { "  ", ": " }, { "set ", "=" } };
	struct detect_fix *f = *state;
	unsigned seed = 1;

	for (size_t i = 0; i < FILES; i++) {
		const char *const *form = written[(size_t)rand_r(&seed) % COUNT_OF(written)];
		const char *same = names[(size_t)rand_r(&seed) % COUNT_OF(names)];
		bool repeats = rand_r(&seed) % 3 == 0;
		size_t from[LINES], to[LINES];
		struct buf b;
		buf_init(&b, FILE_BYTES);
		for (size_t k = 0; k < LINES; k++) {
			from[k] = b.n;
			buf_str(&b, form[0]);
			buf_str(&b, repeats ? same : names[(size_t)rand_r(&seed) % COUNT_OF(names)]);
			to[k] = b.n;
			buf_str(&b, form[1]);
			put_variable(&b, &seed);
			buf_putc(&b, '\n');
		}
		struct findings v = scan(f, buf_view(&b));
		for (size_t k = 0; k < LINES * v.n; k++) {
			const struct finding *x = &v.v[k / LINES];
			const char *entity = detect_entity_name(f->rules, x->entity);
			if (!strcmp(entity, "GENERIC_SECRET") && x->start < to[k % LINES] && x->end > from[k % LINES])
				fail_msg("%s in \"%.*s\" of file %zu:\n%.*s",
					entity, (int)(x->end - x->start), b.p + x->start, i,
					SPAN_ARG(buf_view(&b)));
		}
		buf_free(&b);
		arena_reset(&f->arena);
	}
}

/* The other rules that match the sample find nothing in its place either. */
static void
policy_may_ignore_published_samples(void **state)
{
	struct detect_fix *f = *state;
	struct span text =
		SPAN_LIT("api_key=sk_test_4eC39HqLyjWDarjtT1zdp7dc card 4111 1111 1111 "
			 "1111 id AKIAIOSFODNN7EXAMPLE password=" P "\n");
	struct detect_options opt = { .skip_samples = true };
	struct findings v;

	v = scan(f, text);
	assert_int_equal(v.n, 4);
	for (size_t i = 0; i < v.n; i++)
		assert_int_equal(!!(v.v[i].flags & FINDING_SAMPLE), i < 3);
	assert_int_equal(detect_scan(f->rules, f->scratch, text, &opt, &f->arena, &v), 0);
	assert_int_equal(v.n, 1);
	assert_string_equal(detect_entity_name(f->rules, v.v[0].entity), "GENERIC_SECRET");
	arena_reset(&f->arena);
}

/* The value of a JSON key or a form field, without the key in its text. */
static void
vendors_name_may_be_the_json_key(void **state)
{
	struct detect_fix *f = *state;
	struct span text = SPAN_LIT("5ca1ab1e0ddba11dec0ded5eedfacade");
	struct detect_options opt = { .before = SPAN_LIT("datadogApiKey") };
	struct findings v;

	assert_int_equal(detect_scan(f->rules, f->scratch, text, &opt, &f->arena, &v), 0);
	assert_int_equal(v.n, 1);
	assert_string_equal(detect_entity_name(f->rules, v.v[0].entity), "DATADOG_KEY");
	assert_int_equal(v.v[0].start, 0);
	assert_int_equal(v.v[0].end, text.n);
	opt.before = SPAN_LIT("datadogTraceId");
	assert_int_equal(detect_scan(f->rules, f->scratch, text, &opt, &f->arena, &v), 0);
	assert_int_equal(v.n, 0);
	arena_reset(&f->arena);
}

/* ---- completeness and speed ---- */

/* test_naive.c tests the rules' own examples. */
static void
secrets_are_covered_as_by_the_naive_scan(void **state)
{
	struct detect_fix *f = *state;
	struct naive naive;
	bool missed;

	naive_init(&naive, f->rules);
	for (size_t i = 0; i < COUNT_OF(rows) + COUNT_OF(proofs); i++) {
		struct span text = span_str(
			i < COUNT_OF(rows) ? rows[i].text : proofs[i - COUNT_OF(rows)].text);
		size_t at = naive_differs(&naive, f->scratch, text, SPAN_LIT(""), &missed);
		if (at < text.n)
			fail_msg("the %s alone covers byte %zu of: %.*s",
				missed ? "naive scan" : "engine", at, SPAN_ARG(text));
	}
	naive_free(&naive);
}

/* The bound is generous because of sanitizers and busy machines. Quadratic behavior would take
 * minutes. */
static void
hostile_text_takes_linear_time_for_secrets(void **state)
{
	static const char *const patterns[] = { "key key ",
		"key: a =", "authorization: ", "\"auth\":", "--pass ", "kind: secret\n",
		"kind: Secret\ndata:\n a: b\n", "data:\n a: b\n", "\"kind\":\"Secret\",{",
		"\"kty\":\"RSA\",", "\"d\":\"AAAAAAAAAAAAAAAAAAAAAA\",",
		"PuTTY-User-Key-File-2: ", "Private-Lines: 1\nAA\n",
		"---- BEGIN SSH2 PRIVATE KEY ----", "server=a;", "jdbc:mysql://a?b;",
		"machine a login b ", "$2y$10$", "mysql -p", "cookie:session=", "cookie: a=b;",
		"xoxb-", "+ASt", "AAAA+ASt", "eyJ", "ops_eyJ", "glc_", "pypi-AgE",
		"github_pat_", "AGE-SECRET-KEY-1", "xprv", "sl.A", "1/1", "identified by ",
		"AAAAAAAAAAAAAAAAAAAA", "MTA.", "hcaik_", "AKIAQNZGKIQY56JQ7WML ",
		"name: key\n", "value: aaaaaaaaaaaaaaaa name: ",
		"use ab1cd2ef3gh4ij5k as the ", "set(\"ab1cd2ef3gh4ij5k\", ", "xabababababababababababababababab ",
		"xxabababababababababababababababab\n",
		"name;1e15/latitudelatitudelatitude" };
	enum { BYTES = 256 << 10 };
	struct detect_fix *f = *state;
	char *text = malloc(BYTES);

	assert_non_null(text);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		size_t n = strlen(patterns[i]);
		struct findings v;
		for (size_t k = 0; k < BYTES; k++)
			text[k] = patterns[i][k % n];
		uint64_t t = cpu_us();
		int err = detect_scan(
			f->rules, f->scratch, span_of(text, BYTES), NULL, &f->arena, &v);
		t = cpu_us() - t;
		assert_true(err == 0 || err == ERR_LIMIT);
		if (t > 20000000) /* a thousand times the usual time: the scan hangs */
			fail_msg("\"%s\" repeated took %lu us", patterns[i], (unsigned long)t);
		arena_reset(&f->arena);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_checksum_confirms_and_invalid_one_is_still_found),
		cmocka_unit_test(failed_checksum_reduces_the_score_by_a_quarter),
		cmocka_unit_test(typing_error_does_not_hide_a_token),
		cmocka_unit_test(cut_token_is_not_read_beyond_its_end),
		cmocka_unit_test(secrets_are_found_in_common_spellings),
		cmocka_unit_test(random_values_are_found_after_a_secret_name),
		cmocka_unit_test(name_of_a_variable_is_no_part_of_a_value),
		cmocka_unit_test(policy_may_ignore_published_samples),
		cmocka_unit_test(vendors_name_may_be_the_json_key),
		cmocka_unit_test(secrets_are_covered_as_by_the_naive_scan),
		cmocka_unit_test(hostile_text_takes_linear_time_for_secrets),
	};
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
