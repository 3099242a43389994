/* The names of headers and query parameters that may carry a caller's credential or
 * account, and that no provider may see (design: the caller's credentials never reach a
 * provider). The shipped HAProxy files delete the headers on the direct path, the gate on
 * the relay path: a test compares them. A parameter sends its request through the relay,
 * which takes it out. */
#ifndef BASE_CODEC_CREDENTIALS_H
#define BASE_CODEC_CREDENTIALS_H

#include "base/span.h"

enum { CREDENTIAL_HEADER = 1, CREDENTIAL_QUERY = 2, CREDENTIAL_BOTH = 3 };

/* What a name ends with, or with '^' before it a whole name; lower case. A '-' is none,
 * one or several of - and _: HAProxy's expression has [-_]* there. */
struct credential_name {
	const char *name;
	size_t n; /* its length */
	unsigned where;
};
/* Ends with a name of NULL. */
extern const struct credential_name credential_names[];

/* The headers that carry a credential of ours to a provider, lower case; ends with NULL. The
 * relay sends each with CREDENTIAL_SET before its name: the shipped HAProxy files keep the value,
 * delete what a caller may have sent, and set the header. */
#define CREDENTIAL_SET "x-tollgate-set-"
extern const char *const credential_set[];

/* What HAProxy's expression begins with, so that it leaves alone what begins with "mcp-":
 * Mcp-Param-api-key is an argument of a tool, said in a header too. Without look-ahead, which
 * not every library of regular expressions has; in lower case, as HAProxy has names. */
#define CREDENTIAL_BEGINS "^([^m].*|m[^c].*|mc[^p].*|mcp[^-].*|m(cp?)?)?"

/* The shipped HAProxy files delete the most common names with a short expression. The long expression, of all names, costs HAProxy
 * about 6,000 instructions for each header, so it runs only if the names of the other headers contain one of these words. Each
 * row of credential_names contains one. */
#define CREDENTIAL_COMMON "^(authorization|x-api-key|api-key|x-goog-api-key|cookie)$"
#define CREDENTIAL_WORDS                                                                           \
	"auth|key|token|secret|passw|cookie|credential|bearer|jwt|dpop|websocket|oidc|"            \
	"client[-_]*(id|principal)|(openai|anthropic)[-_]*(org|proj|work)|user[-_]*project"

/* Any case. */
bool credential_header(struct span name);
/* One that would be, did it not begin with "mcp-": HAProxy leaves it, and the gate drops it
 * where it is no argument of MCP. Any case. */
bool credential_argument(struct span name);
/* Whether a server may take the header for another method, path or host than the request's own,
 * which are what is decided on: it is dropped. Any case. */
bool header_overrides(struct span name);
/* Headers that say from where a caller came: addresses, proxies, the page that asked. A provider
 * outside (`external`) gets none of them: the shipped HAProxy files delete them on the direct path,
 * the gate on the relay path. Lower case; '*' at the end: what begins so. A '-' is - or _. Ends
 * with NULL. */
extern const char *const caller_fields[];
/* True if the header is one of caller_fields. Any case. */
bool caller_field(struct span name);
/* True where a header's value, "Bearer " or not, begins as a key of a model provider does
 * (policies/provider_keys.txt): none of ours. */
bool credential_of_provider(struct span value);
/* Whether a parameter of the raw query carries one, or names another method, in any spelling
 * that parsers take: escapes (of escapes too), any case, signs and blanks between and around
 * the letters, "name[]", & and ; as separators, escaped as well, without a value. */
bool credential_query(struct span query);
/* The query without them, as much as query.n bytes. Returns its length. */
size_t credential_query_without(struct span query, char *out);

#endif
