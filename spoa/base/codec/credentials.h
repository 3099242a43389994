/* The names of headers and query parameters that may carry a caller's credential or account,
 * and of the headers that a provider outside receives. No provider may see a caller's
 * credential. The shipped HAProxy files delete these headers on the direct path, and the gate
 * deletes them on the relay path; a test compares both. A request with such a parameter is sent
 * through the relay, which removes the parameter. */
#ifndef BASE_CODEC_CREDENTIALS_H
#define BASE_CODEC_CREDENTIALS_H

#include "base/span.h"

enum { CREDENTIAL_HEADER = 1, CREDENTIAL_QUERY = 2, CREDENTIAL_BOTH = 3 };

/* One row: the end of a name or, with '^' before it, a whole name, in lower case. A '-' matches
 * any number of - and _, including none; HAProxy's expression has [-_]* there. */
struct credential_name {
	const char *name;
	size_t n; /* length of the name */
	unsigned where;
};
/* Ends with a name of NULL. */
extern const struct credential_name credential_names[];

/* The headers that carry a credential of the gateway to a provider, in lower case; ends with
 * NULL. The relay sends each with CREDENTIAL_SET before its name. The shipped HAProxy files
 * store the value, delete a header of that name that a caller may have sent, and set the
 * header. */
#define CREDENTIAL_SET "x-tollgate-set-"
extern const char *const credential_set[];

/* The beginning of HAProxy's expression, which excludes names that begin with "mcp-":
 * Mcp-Param-api-key is an argument of a tool, repeated in a header. It is written without
 * look-ahead, which some libraries of regular expressions lack, and in lower case, because
 * HAProxy converts names to lower case. */
#define CREDENTIAL_BEGINS "^([^m].*|m[^c].*|mc[^p].*|mcp[^-].*|m(cp?)?)?"

/* The shipped HAProxy files delete the most common names with a short expression. The long
 * expression of all names costs HAProxy about 6,000 instructions for each header. Therefore it
 * runs only if the names of the other headers contain one of these words. Each row of
 * credential_names contains one. */
#define CREDENTIAL_COMMON "^(authorization|x-api-key|api-key|x-goog-api-key|cookie)$"
#define CREDENTIAL_WORDS                                                                           \
	"auth|key|token|secret|passw|cookie|credential|bearer|jwt|dpop|websocket|oidc|"            \
	"client[-_]*(id|principal)|(openai|anthropic)[-_]*(org|proj|work)|user[-_]*project"

/* Returns true if a header of that name carries a credential. Any case. */
bool credential_header(struct span name);
/* Returns true for a name that begins with "mcp-" and would otherwise carry a credential.
 * HAProxy keeps such a header; the gate drops it unless it is an argument of MCP. Any case. */
bool credential_argument(struct span name);
/* Returns true if a server could take the header as another method, path or host than the one
 * that was decided on. Such a header is dropped. Any case. */
bool header_overrides(struct span name);
/* The headers that a provider outside (`external`) receives. The APIs of the dialects, their
 * SDKs and HTTP itself need them. Another header may name the caller, because proxies that log
 * people in write such headers under many names. The shipped HAProxy files delete the others on
 * the direct path, the gate on the relay path, except for those that the provider's `headers`
 * adds. Names are in lower case; '*' at the end matches any continuation.
 * Ends with NULL. */
extern const char *const sent_fields[];
/* Returns true if the header is one of sent_fields. Any case. */
bool field_is_sent(struct span name);
/* HAProxy's expression of all names but those of sent_fields, with the names between the two
 * parts. HAProxy needs PCRE or PCRE2 for the look-ahead. */
#define SENT_BEGINS "^(?!("
#define SENT_ENDS   ")$)"
/* Returns true for a header that states where a caller comes from: addresses, proxies, the page
 * that made the request. Any case; '-' matches - or _. */
bool caller_field(struct span name);
/* Returns true if a header's value, with or without "Bearer ", begins as a key of a model
 * provider does (policies/provider_keys.txt). Such a value is not a credential for this
 * gateway. */
bool credential_of_provider(struct span value);
/* Returns true if a parameter of the raw query carries a credential or names another method.
 * Recognizes every spelling that parsers accept: escapes, also nested ones, any case, signs and
 * spaces between and around the letters, "name[]", & and ; as separators, also escaped, and
 * parameters without a value. */
bool credential_query(struct span query);
/* Writes the query without these parameters, at most query.n bytes. Returns its length. */
size_t credential_query_without(struct span query, char *out);

#endif
