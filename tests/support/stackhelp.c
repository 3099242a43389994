/* Parts of tests/support/stack and tests/support/token that shell cannot do: the keys and
 * tokens of a stack's demo issuer (RFC 7515, 7517, 7518 section 3.4), free ports, and merging
 * two YAML files.
 *
 *   stackhelp issuer DIR             DIR/issuer.pem, DIR/jwks.json, DIR/issuer.yaml
 *   stackhelp token DIR [--claims JSON] [--ttl S] [--bad KIND]
 *   stackhelp ports N                N free TCP ports of 127.0.0.1, reserved for 5 minutes
 *   stackhelp merge BASE OVER        BASE with OVER's keys laid over it, maps merged
 *
 * A test program: it exits with 2 and a message on any error. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <yaml.h>

#define ISSUER	       "https://issuer.demo.invalid/"
#define AUDIENCE       "tollgate-demo"
#define KEY_ID	       "demo-1"
#define PATH_MAX_BYTES 4096

__attribute__((format(printf, 1, 2))) _Noreturn static void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("stackhelp: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static FILE *
open_in(const char *dir, const char *name, const char *mode)
{
	char path[PATH_MAX_BYTES];

	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
		die("%s: too long", dir);
	FILE *f = fopen(path, mode);
	if (!f)
		die("%s: cannot open", path);
	return f;
}

/* base64url without padding (RFC 7515 section 2); the caller frees. */
static char *
b64url(const unsigned char *p, size_t n)
{
	static const char a[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *out = malloc(n / 3 * 4 + 5), *o = out;

	if (!out)
		die("out of memory");
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		*o++ = a[v >> 18];
		*o++ = a[v >> 12 & 63];
		if (i + 1 < n)
			*o++ = a[v >> 6 & 63];
		if (i + 2 < n)
			*o++ = a[v & 63];
	}
	*o = 0;
	return out;
}

/* ---- the issuer ---- */

static char *
coordinate(EVP_PKEY *key, const char *name)
{
	BIGNUM *n = NULL;
	unsigned char raw[32];

	if (!EVP_PKEY_get_bn_param(key, name, &n) ||
		BN_bn2binpad(n, raw, sizeof raw) != sizeof raw)
		die("the key has no %s", name);
	BN_free(n);
	return b64url(raw, sizeof raw);
}

static int
cmd_issuer(const char *dir)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		die("cannot make a key");
	FILE *f = open_in(dir, "issuer.pem", "w");
	if (!PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) || fclose(f))
		die("cannot write the key");
	char *x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X),
	     *y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);
	f = open_in(dir, "jwks.json", "w");
	fprintf(f,
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":"
		"\"sig\",\"kid\":\"%s\","
		"\"x\":\"%s\",\"y\":\"%s\"}]}\n",
		KEY_ID, x, y);
	if (fclose(f))
		die("cannot write the key set");
	f = open_in(dir, "issuer.yaml", "w");
	fprintf(f, "issuer: %s\naudience: %s\njwks: jwks.json\n", ISSUER, AUDIENCE);
	if (fclose(f))
		die("cannot write the issuer");
	free(x);
	free(y);
	EVP_PKEY_free(key);
	return 0;
}

/* ---- tokens ---- */

/* ES256: r and s as 32 bytes each (RFC 7518 section 3.4), from OpenSSL's DER. */
static char *
sign_es256(EVP_PKEY *key, const char *text)
{
	unsigned char der[128], raw[64];
	const unsigned char *p = der;
	size_t n = sizeof der;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (!c || EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) != 1 ||
		EVP_DigestSign(c, der, &n, (const unsigned char *)text, strlen(text)) != 1)
		die("cannot sign");
	EVP_MD_CTX_free(c);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) != 32 ||
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) != 32)
		die("cannot sign");
	ECDSA_SIG_free(sig);
	return b64url(raw, sizeof raw);
}

/* Merges claims; null removes a claim. */
static void
merge_claims(json_t *claims, const char *text)
{
	json_error_t e;
	json_t *over = json_loads(text, 0, &e), *v;
	const char *k;

	if (!json_is_object(over))
		die("--claims: %s", over ? "not an object" : e.text);
	json_object_foreach(over, k, v)
	{
		if (json_is_null(v))
			json_object_del(claims, k);
		else
			json_object_set(claims, k, v);
	}
	json_decref(over);
}

static int
cmd_token(int argc, char **argv)
{
	static const char *kinds[] = { "", "expired", "alg-none", "wrong-key", "wrong-aud",
		"future" };
	const char *dir = argv[0], *over = NULL, *bad = "";
	json_int_t ttl = 3600, now = (json_int_t)time(NULL);
	unsigned char id[12];
	bool known = false;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			die("%s: needs a value", argv[i]);
		if (strcmp(argv[i], "--claims") == 0)
			over = argv[i + 1];
		else if (strcmp(argv[i], "--ttl") == 0)
			ttl = strtoll(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--bad") == 0)
			bad = argv[i + 1];
		else
			die("%s: unknown option", argv[i]);
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		known |= strcmp(bad, kinds[i]) == 0;
	if (!known)
		die("--bad %s: expired, alg-none, wrong-key, wrong-aud, future", bad);
	if (RAND_bytes(id, sizeof id) != 1)
		die("no random bytes");
	if (strcmp(bad, "expired") == 0)
		now -= ttl + 3600;
	if (strcmp(bad, "future") == 0)
		now += 3600;
	char *jti = b64url(id, sizeof id);
	json_t *claims = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:[s],s:s,s:i,s:s,s:s}", "iss",
		ISSUER, "aud", strcmp(bad, "wrong-aud") == 0 ? "another-audience" : AUDIENCE,
		"jti", jti, "iat", now, "nbf", now, "exp", now + ttl, "sub", "alice", "roles",
		"analyst", "dept", "sales", "clearance", 1, "team", "red", "plan", "free");
	if (over)
		merge_claims(claims, over);
	bool none = strcmp(bad, "alg-none") == 0;
	char head[160];
	snprintf(head, sizeof head, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
		none ? "none" : "ES256", KEY_ID);
	char *h = b64url((unsigned char *)head, strlen(head));
	char *text = json_dumps(claims, JSON_COMPACT);
	char *b = b64url((unsigned char *)text, strlen(text));
	char *input = malloc(strlen(h) + strlen(b) + 2);
	sprintf(input, "%s.%s", h, b);
	if (none) {
		printf("%s.\n", input);
	} else {
		FILE *f = open_in(dir, "issuer.pem", "r");
		EVP_PKEY *key = strcmp(bad, "wrong-key") == 0
					? EVP_EC_gen("P-256")
					: PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
		if (!key)
			die("%s/issuer.pem: no key", dir);
		char *s = sign_es256(key, input);
		printf("%s.%s\n", input, s);
		free(s);
		EVP_PKEY_free(key);
	}
	free(jti);
	free(input);
	free(h);
	free(b);
	free(text);
	json_decref(claims);
	return 0;
}

/* ---- ports ---- */

#define CLAIMS	      "/tmp/tg-ports"
#define CLAIM_LASTS_S 300 /* long enough for a program that starts to bind its ports */

/* Reserves a port. Returns true if it is free. Without a reservation, two programs that share
 * ports (HAProxy does so with SO_REUSEPORT) could get the same port before either has bound it,
 * and both would serve it. */
static bool
claim(unsigned port)
{
	char file[64];
	struct stat st;

	if (mkdir(CLAIMS, 01777) == 0)
		chmod(CLAIMS, 01777); /* whatever the umask is */
	snprintf(file, sizeof file, CLAIMS "/%u", port);
	if (stat(file, &st) == 0 && time(NULL) - st.st_mtime > CLAIM_LASTS_S)
		unlink(file);
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EEXIST;
}

static int
cmd_ports(long n)
{
	int fds[256];
	long held = 0;

	if (n < 1 || n > 64)
		die("ports: 1 to 64");
	for (long found = 0; found < n; held++) { /* all are held open until all are known */
		struct sockaddr_in a = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof a;
		if (held == 256)
			die("ports: none free");
		fds[held] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[held] < 0 || bind(fds[held], (struct sockaddr *)&a, sizeof a) < 0 ||
			getsockname(fds[held], (struct sockaddr *)&a, &len) < 0)
			die("ports: none free");
		if (claim(ntohs(a.sin_port)))
			printf("%u%s", ntohs(a.sin_port), ++found < n ? " " : "\n");
	}
	while (held > 0)
		close(fds[--held]);
	return 0;
}

/* ---- YAML ---- */

static void
yaml_read(const char *file, yaml_document_t *d)
{
	yaml_parser_t p;
	FILE *f = fopen(file, "r");

	if (!f || !yaml_parser_initialize(&p))
		die("%s: cannot open", file);
	yaml_parser_set_input_file(&p, f);
	if (!yaml_parser_load(&p, d))
		die("%s:%zu:%zu: %s", file, p.problem_mark.line + 1, p.problem_mark.column + 1,
			p.problem ? p.problem : "not YAML");
	yaml_parser_delete(&p);
	fclose(f);
}

static yaml_node_t *
value_of(yaml_document_t *d, yaml_node_t *map, yaml_node_t *key)
{
	for (yaml_node_pair_t *q = map->data.mapping.pairs.start;
		q < map->data.mapping.pairs.top; q++) {
		yaml_node_t *k = yaml_document_get_node(d, q->key);
		if (k->type == YAML_SCALAR_NODE &&
			k->data.scalar.length == key->data.scalar.length &&
			memcmp(k->data.scalar.value, key->data.scalar.value,
				k->data.scalar.length) == 0)
			return yaml_document_get_node(d, q->value);
	}
	return NULL;
}

static int merge_nodes(yaml_document_t *out, yaml_document_t *a, yaml_node_t *an,
	yaml_document_t *b, yaml_node_t *bn);

static int
copy_node(yaml_document_t *out, yaml_document_t *d, yaml_node_t *n)
{
	if (n->type == YAML_SCALAR_NODE)
		return yaml_document_add_scalar(out, NULL, n->data.scalar.value,
			(int)n->data.scalar.length, n->data.scalar.style);
	if (n->type == YAML_SEQUENCE_NODE) {
		int s = yaml_document_add_sequence(out, NULL, YAML_FLOW_SEQUENCE_STYLE);
		for (yaml_node_item_t *i = n->data.sequence.items.start;
			i < n->data.sequence.items.top; i++)
			yaml_document_append_sequence_item(
				out, s, copy_node(out, d, yaml_document_get_node(d, *i)));
		return s;
	}
	return merge_nodes(out, d, n, NULL, NULL);
}

/* Merges bn over an, key by key. */
static int
merge_nodes(yaml_document_t *out, yaml_document_t *a, yaml_node_t *an, yaml_document_t *b,
	yaml_node_t *bn)
{
	if (bn && (an->type != YAML_MAPPING_NODE || bn->type != YAML_MAPPING_NODE))
		return copy_node(out, b, bn);
	int m = yaml_document_add_mapping(out, NULL, YAML_BLOCK_MAPPING_STYLE);
	for (yaml_node_pair_t *q = an->data.mapping.pairs.start; q < an->data.mapping.pairs.top;
		q++) {
		yaml_node_t *k = yaml_document_get_node(a, q->key),
			    *v = yaml_document_get_node(a, q->value);
		yaml_node_t *w = bn ? value_of(b, bn, k) : NULL;
		yaml_document_append_mapping_pair(out, m, copy_node(out, a, k),
			w ? merge_nodes(out, a, v, b, w) : copy_node(out, a, v));
	}
	if (!bn)
		return m;
	for (yaml_node_pair_t *q = bn->data.mapping.pairs.start; q < bn->data.mapping.pairs.top;
		q++) {
		yaml_node_t *k = yaml_document_get_node(b, q->key);
		if (!value_of(a, an, k))
			yaml_document_append_mapping_pair(out, m, copy_node(out, b, k),
				copy_node(out, b, yaml_document_get_node(b, q->value)));
	}
	return m;
}

static int
cmd_merge(const char *base, const char *over)
{
	yaml_document_t a, b, out;
	yaml_emitter_t e;

	yaml_read(base, &a);
	yaml_read(over, &b);
	yaml_node_t *an = yaml_document_get_root_node(&a),
		    *bn = yaml_document_get_root_node(&b);
	if (!bn || bn->type != YAML_MAPPING_NODE || (an && an->type != YAML_MAPPING_NODE))
		die("%s: not a map", an ? base : over);
	if (!yaml_document_initialize(&out, NULL, NULL, NULL, 1, 1))
		die("out of memory");
	/* the first added node is the root, so copy_node and merge_nodes add the map first */
	if (an)
		merge_nodes(&out, &a, an, &b, bn);
	else
		copy_node(&out, &b, bn);
	yaml_emitter_initialize(&e);
	yaml_emitter_set_output_file(&e, stdout);
	yaml_emitter_set_width(&e, -1);
	if (!yaml_emitter_open(&e) || !yaml_emitter_dump(&e, &out) || !yaml_emitter_close(&e))
		die("cannot write");
	yaml_emitter_delete(&e);
	yaml_document_delete(&a);
	yaml_document_delete(&b);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	if (strcmp(cmd, "issuer") == 0 && argc == 3)
		return cmd_issuer(argv[2]);
	if (strcmp(cmd, "token") == 0 && argc >= 3)
		return cmd_token(argc - 2, argv + 2);
	if (strcmp(cmd, "ports") == 0 && argc == 3)
		return cmd_ports(strtol(argv[2], NULL, 10));
	if (strcmp(cmd, "merge") == 0 && argc == 4)
		return cmd_merge(argv[2], argv[3]);
	die("issuer DIR | token DIR [--claims JSON] [--ttl S] [--bad KIND] | ports N | merge "
	    "BASE OVER");
}
