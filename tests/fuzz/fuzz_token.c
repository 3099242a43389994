/* Any bytes as the response of a token endpoint: an accepted token is valid as a header's value
 * and has a lifetime; an error code is a known one. */
#include <stdint.h>

#include "base/caps.h"
#include "base/err.h"
#include "gate/auth/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct token_answer t;
	const char *why = NULL;
	struct arena a;

	arena_init(&a, 1 << 20, true);
	if (token_answer(span_of(data, size), &a, &t, &why) == 0) {
		INVARIANT(t.token.n > 0 && t.token.n < CAP_CREDENTIAL_BYTES);
		INVARIANT(t.seconds > 0 && t.seconds <= TOKEN_SECONDS_MAX);
		for (size_t i = 0; i < t.token.n; i++)
			INVARIANT(t.token.p[i] > 0x20 && t.token.p[i] <= 0x7e);
	} else {
		INVARIANT(why != NULL);
	}
	arena_reset(&a);
	arena_init(&a, 1 << 20, true);
	const char *code = token_refusal(span_of(data, size), &a);
	INVARIANT(!code || code[0]);
	arena_reset(&a);
	return 0;
}
