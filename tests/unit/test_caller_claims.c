/* caller_claims.c: the checks of a token that an identity provider returned for a caller's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "gate/auth/caller_claims.h"

enum { NOW = 1800000000 };

static char texts[2][4096];

/* Writes a JWT with these claims, in which ' stands for ". */
static struct span
jwt(size_t which, const char *claims)
{
	char text[2048], b64[3000];
	size_t n = strlen(claims);

	for (size_t i = 0; i <= n; i++)
		text[i] = claims[i] == '\'' ? '"' : claims[i];
	sodium_bin2base64(b64, sizeof(b64), (const unsigned char *)text, n,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	snprintf(texts[which], sizeof(texts[which]), "e30.%s.c2ln", b64);
	return span_str(texts[which]);
}

static const char *
wrong(const struct provider_credential *c, const char *had, struct span got, const char *scope)
{
	struct token_answer t = { .token = got, .seconds = 300 };
	struct caller_token_facts facts;
	json_auto_t *body = scope ? json_pack("{s:s}", "scope", scope) : json_object();

	return caller_claims_wrong(c, jwt(0, had), &t, body, NOW, &facts);
}

#define ANN	   "{'iss':'i','sub':'ann'}"
#define OK(claims) wrong(&c, ANN, jwt(1, claims), NULL)

static void
the_person_is_the_same(void **state)
{
	static const struct provider_credential c = { .kind = BY_EXCHANGE };

	(void)state;
	assert_null(OK(ANN));
	assert_non_null(OK("{'iss':'i','sub':'bob'}"));
	assert_non_null(OK("{'iss':'i'}"));
	assert_non_null(OK("{'iss':'i','sub':''}"));
	assert_non_null(OK("{'iss':'i','sub':['ann']}"));
	/* another issuer has other names for people */
	assert_null(OK("{'iss':'j','sub':'17'}"));
	/* Entra ID: sub differs for each application, oid does not */
	assert_null(wrong(&c, "{'iss':'i','sub':'x','oid':'7'}",
		jwt(1, "{'iss':'i','sub':'y','oid':'7'}"), NULL));
	assert_non_null(wrong(&c, "{'iss':'i','sub':'x','oid':'7'}",
		jwt(1, "{'iss':'i','sub':'x','oid':'8'}"), NULL));
	/* the person of a token that nobody here can read is the identity provider's word */
	assert_null(wrong(&c, ANN, SPAN_LIT("opaque"), NULL));
}

static void
the_audience_is_the_one_asked_for(void **state)
{
	static const struct provider_credential c = { .kind = BY_EXCHANGE, .audience = "api" },
						r = { .kind = BY_EXCHANGE,
							.resource = "https://a" };

	(void)state;
	assert_null(OK("{'iss':'i','sub':'ann','aud':'api'}"));
	assert_null(OK("{'iss':'i','sub':'ann','aud':['x','api']}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','aud':'api2'}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','aud':['x']}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','aud':{'api':1}}"));
	assert_non_null(OK("{'iss':'i','sub':'ann'}"));
	assert_null(wrong(&r, ANN, jwt(1, "{'iss':'i','sub':'ann','aud':'https://a'}"), NULL));
	assert_non_null(
		wrong(&r, ANN, jwt(1, "{'iss':'i','sub':'ann','aud':'https://b'}"), NULL));
}

static void
no_scope_is_added(void **state)
{
	static const struct provider_credential c = { .kind = BY_EXCHANGE,
		.scope = "read write" },
						entra = { .kind = BY_ON_BEHALF,
							.scope = "api://x/Files.Read" },
						all = { .kind = BY_ON_BEHALF,
							.scope = "api://x/.default" },
						none = { .kind = BY_EXCHANGE };

	(void)state;
	assert_null(OK("{'iss':'i','sub':'ann','scope':'read'}"));
	assert_null(OK("{'iss':'i','sub':'ann','scope':'write  read openid profile'}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','scope':'read admin'}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','scope':'rea'}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','scp':'read admin'}"));
	assert_non_null(wrong(&c, ANN, jwt(1, ANN), "read admin"));
	assert_non_null(wrong(&c, ANN, SPAN_LIT("opaque"), "read admin"));
	assert_null(wrong(&c, ANN, SPAN_LIT("opaque"), "read"));
	assert_null(
		wrong(&entra, ANN, jwt(1, "{'iss':'i','sub':'ann','scp':'Files.Read'}"), NULL));
	assert_non_null(wrong(
		&entra, ANN, jwt(1, "{'iss':'i','sub':'ann','scp':'Files.ReadWrite'}"), NULL));
	assert_null(wrong(&all, ANN, jwt(1, "{'iss':'i','sub':'ann','scp':'A B'}"), NULL));
	assert_null(wrong(&none, ANN, jwt(1, "{'iss':'i','sub':'ann','scope':'any'}"), NULL));
}

static void
the_life_is_short(void **state)
{
	static const struct provider_credential c = { .kind = BY_EXCHANGE };

	(void)state;
	assert_null(OK("{'iss':'i','sub':'ann','exp':1800000300}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','exp':1800000000}"));
	assert_non_null(OK("{'iss':'i','sub':'ann','exp':1831536000}"));
}

static void
facts_are_cut_and_no_token_is_among_them(void **state)
{
	static const struct provider_credential c = { .kind = BY_EXCHANGE, .audience = "api" };
	char claims[1024], sub[400];
	struct caller_token_facts f;
	json_auto_t *body = json_object();

	(void)state;
	memset(sub, 'x', sizeof(sub));
	snprintf(claims, sizeof(claims),
		"{'iss':'j','sub':'%.300s','aud':'api','act':{'sub':'agent'},'scope':'s'}",
		sub);
	struct token_answer t = { .token = jwt(1, claims), .seconds = 300 };
	assert_null(caller_claims_wrong(&c, jwt(0, ANN), &t, body, NOW, &f));
	assert_int_equal(strlen(f.subject), sizeof(f.subject) - 1);
	assert_string_equal(f.actor, "agent");
	assert_string_equal(f.audience, "api");
	assert_string_equal(f.scope, "s");
	assert_string_equal(f.issuer, "j");
	assert_int_equal(strlen(f.hash), 64);
	assert_int_equal(f.ends_s, NOW + 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_person_is_the_same),
		cmocka_unit_test(the_audience_is_the_one_asked_for),
		cmocka_unit_test(no_scope_is_added),
		cmocka_unit_test(the_life_is_short),
		cmocka_unit_test(facts_are_cut_and_no_token_is_among_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
