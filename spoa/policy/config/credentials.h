/* `credentials` of tollgate.yaml: credentials that the relay adds for a provider, if HAProxy
 * cannot, and those of external recognizers. Files are only named here; auth/ reads them. */
#ifndef POLICY_CONFIG_CREDENTIALS_H
#define POLICY_CONFIG_CREDENTIALS_H

#include "base/codec/yaml.h"

/* BY_EXCHANGE and BY_ON_BEHALF: a token for each caller (gate/auth/caller_token.h). BY_FILE must be
 * the last kind. */
enum provider_credential_kind {
	BY_SIGV4,
	BY_VERTEX,
	BY_ENTRA,
	BY_EXCHANGE,
	BY_ON_BEHALF,
	BY_FILE,
	BY_KINDS
};

enum { CREDENTIALS_MAX = 256 };

/* One credential. Strings are NULL if they are not set and have no default. They live in the
 * configuration's arena. */
struct provider_credential {
	const char *provider; /* name of the provider in the policy, or one that a recognizer names */
	enum provider_credential_kind kind;
	size_t index;		    /* place in the list, from 0 */
	const struct yaml_node *at; /* the provider's name; for errors */
	/* file with the secret: AWS credentials, service account, client secret, or key */
	const char *file;
	const char *region, *service, *host, *profile; /* sigv4 */
	/* the token endpoint: URL, authorities (NULL: the system's) and scope */
	const char *url, *ca_file, *scope;
	/* vertex: audience of the assertion; NULL: the one in the file. entra: the tenant */
	const char *token_uri;
	const char *client_id;	     /* entra, exchange, on_behalf_of */
	/* exchange: the server of the token (RFC 8693 2.1), and the file with the agent's token */
	const char *audience, *resource, *actor_file;
	const char *header, *prefix; /* key file: name of the header, and the text before the
				      * key */
};

/* Returns true if both credentials are equal except for their place in the list. */
bool credential_same(const struct provider_credential *x, const struct provider_credential *y);
/* Returns a copy in the arena, without a position for errors. NULL: out of memory. */
struct provider_credential *credential_copy(
	struct arena *a, const struct provider_credential *c);

#endif
