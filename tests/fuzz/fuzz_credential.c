/* Any bytes as a file of credentials. An accepted credential can be sent as a header's value. A
 * refused one has a reason that contains nothing of it. */
#include <stdint.h>

#include "base/caps.h"
#include "base/err.h"
#include "gate/auth/material.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fits(struct span s)
{
	INVARIANT(s.n <= CAP_CREDENTIAL_BYTES);
	for (size_t i = 0; i < s.n; i++)
		INVARIANT(s.p[i] >= 0x20 && s.p[i] <= 0x7e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct provider_credential kinds[] = {
		{ .kind = BY_SIGV4, .profile = "default" },
		{ .kind = BY_VERTEX },
		{ .kind = BY_ENTRA },
		{ .kind = BY_FILE, .prefix = "Bearer " },
	};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct material m;
		const char *why = NULL;
		int err = material_parse(&kinds[i], span_of(data, size), &m, &why);
		INVARIANT(err ? why != NULL : why == NULL);
		if (!err && kinds[i].kind == BY_SIGV4)
			INVARIANT(m.keys.id.n && m.keys.secret.n);
		else if (!err)
			INVARIANT(kinds[i].kind == BY_VERTEX ? m.key != NULL : m.text.n > 0);
		if (!err) {
			fits(m.keys.id);
			fits(m.keys.secret);
			fits(m.keys.token);
			fits(m.text);
			fits(m.email);
			fits(m.kid);
		}
		material_free(&m);
	}
	return 0;
}
