/* Credentials against a policy with a fixed key. The first byte selects the meaning of the
 * rest: a whole Authorization value, which must never verify; a payload, which is signed here;
 * or header, line feed and payload, signed too. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/codec/jws.h"
#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/identity/identity.h"
#include "policy/policy.h"
#include "scan/detect/detect.h"
#include "support/jwt_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jwt_key key;
static struct detect_rules *rules;
static const struct policy *policy;
static struct identity_keys *keys;
static struct identity_cache *cache;

static void
put_file(const char *path, struct span text)
{
	FILE *f = fopen(path, "w");

	INVARIANT(f && fwrite(text.p, 1, text.n, f) == text.n);
	fclose(f);
}

/* The policy names its key set by a file; both exist only while the policy is loaded. */
static void
start(void)
{
	static const unsigned char secret[32] = "a key that everybody may know..";
	static struct arena a;
	char dir[] = "/tmp/tollgate-fuzz-XXXXXX", set_file[64], policy_file[64];
	struct buf set, errors;
	struct diag d;

	log_setup(LOG_LOGFMT, LOG_ERROR);
	INVARIANT(sodium_init() >= 0 && mkdtemp(dir));
	key.kind = KEY_ED;
	key.pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32);
	snprintf(set_file, sizeof(set_file), "%s/jwks.json", dir);
	snprintf(policy_file, sizeof(policy_file), "%s/policy.yaml", dir);
	buf_init(&set, 0);
	buf_str(&set, "{\"keys\":[");
	put_jwk(&set, &key, "k", NULL);
	buf_str(&set, "]}");
	put_file(set_file, buf_view(&set));
	buf_free(&set);
	put_file(policy_file, SPAN_LIT("tollgate: 1\nname: f\nidentity:\n  - jwt: {issuer: i, "
				       "audience: a, jwks: "
				       "jwks.json, claims: {person: sub, agent: act.sub, "
				       "roles: roles, department: "
				       "dept, clearance: clearance, team: team, tier: "
				       "plan}}\nroutes: [{name: r, "
				       "match: {path_prefix: /}, backend: b}]\n"));
	buf_init(&errors, 0);
	diag_init(&d);
	arena_init(&a, 0, false);
	rules = detect_load(NULL, &errors);
	policy = policy_load(&a, policy_file, NULL, rules, &d);
	keys = policy ? identity_keys_load(policy, false, NULL, &d) : NULL;
	INVARIANT(keys);
	cache = identity_cache_new(64);
	unlink(set_file);
	unlink(policy_file);
	rmdir(dir);
	diag_free(&d);
	buf_free(&errors);
}

static int
ask(struct span value, struct identity *id, struct arena *a, bool *hit)
{
	struct http_field f = { SPAN_LIT("authorization"), value };
	struct http_head h = { .fields = &f, .nfields = 1 };
	const char *why = NULL;
	int err = identity_verify(policy, keys, cache, &(struct credentials){ .head = &h },
		1790000000ll * 1000000000, a, id, &why, hit);

	INVARIANT(err == 0 || (err == ERR_AUTH && why));
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct identity id;
	struct jws j;
	struct buf b;
	const char *why = NULL;
	bool hit;

	if (!rules || !keys)
		start();
	if (size == 0)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	arena_init(&a, 0, false);
	buf_init(&b, 0);
	if (jws_parse(in, &a, &j, &why) == 0)
		INVARIANT(json_is_object(j.header) && json_is_object(j.payload));
	jws_clear(&j);
	if (data[0] % 3 == 0) {
		if (ask(in, &id, &a, &hit) == 0)
			INVARIANT(!id.verified && !strcmp(id.method, "none"));
	} else {
		struct span header = SPAN_LIT("{\"alg\":\"EdDSA\",\"kid\":\"k\"}");
		struct buf t;
		if (data[0] % 3 == 2)
			header = span_next(&in, '\n');
		buf_init(&t, 0);
		put_jwt(&t, &key, header, in);
		buf_printf(&b, "Bearer %.*s", SPAN_ARG(buf_view(&t)));
		if (ask(buf_view(&b), &id, &a, &hit) == 0) {
			INVARIANT(id.verified && id.person.n && id.expires_s > 1790000000 - 61);
			struct identity again;
			INVARIANT(ask(buf_view(&b), &again, &a, &hit) == 0);
			INVARIANT(span_eq(again.person, id.person) &&
				  again.nroles == id.nroles &&
				  again.nattributes == id.nattributes &&
				  again.clearance == id.clearance);
		}
		buf_free(&t);
	}
	buf_free(&b);
	arena_reset(&a);
	return 0;
}
