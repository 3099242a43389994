/* `credentials` of tollgate.yaml: who we are to a provider, where HAProxy cannot say it. Files
 * are named here and read elsewhere (auth/). */
#ifndef POLICY_CONFIG_CREDENTIALS_H
#define POLICY_CONFIG_CREDENTIALS_H

#include "base/codec/yaml.h"

enum provider_credential_kind { BY_SIGV4, BY_VERTEX, BY_ENTRA, BY_FILE, BY_KINDS };

enum { CREDENTIALS_MAX = 256 };

/* Texts are NULL where they are not given and have no default. */
struct provider_credential {
	const char *provider; /* of the policy */
	enum provider_credential_kind kind;
	size_t index;		    /* in the list */
	const struct yaml_node *at; /* the provider's name; for errors */
	const char *file; /* AWS' credentials file, service account, client secret, key */
	const char *region, *service, *host, *profile; /* sigv4 */
	const char *url, *ca_file, *scope;	       /* of the endpoint of tokens */
	const char *token_uri; /* vertex: whom the assertion is for; NULL: as the file says.
				  entra: the tenant */
	const char *client_id; /* entra */
	const char *header, *prefix; /* of a key file */
};

/* Every mistake goes to *d; *count of them are in the arena. */
void credentials_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential **out, size_t *count);

/* Whether both say the same, whatever their place in a list. */
bool credential_same(const struct provider_credential *x, const struct provider_credential *y);
/* A copy that lives in the arena, without a place for errors; NULL: out of memory. */
struct provider_credential *credential_copy(
	struct arena *a, const struct provider_credential *c);

#endif
