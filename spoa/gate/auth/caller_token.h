/* Tokens of callers at providers: `exchange` and `on_behalf_of` of `credentials`. The caller's
 * verified token is exchanged for one that the provider's server accepts (RFC 8693; the
 * on-behalf-of grant of Microsoft Entra ID). The server then decides by the caller's own
 * rights.
 *
 * A worker asks before it sends a request. The thread tg-credentials asks the token endpoint,
 * keeps the token in memory only, and answers by mail. One token is kept for what was asked:
 * issuer, caller's token, actor's token, client, audience, resource and scope. A narrow token
 * thus never receives the rights that a wider token of the same person obtained. */
#ifndef GATE_AUTH_CALLER_TOKEN_H
#define GATE_AUTH_CALLER_TOKEN_H

#include "base/mailbox.h"
#include "base/sha256.h"

struct auth;
struct auths;

/* The facts of a token, as records keep them. The token itself is not among them. */
struct caller_token_facts {
	char subject[128], actor[128], audience[256], scope[256], issuer[256]; /* cut to fit */
	char hash[2 * SHA256_BYTES + 1]; /* of the token, in hexadecimal */
	int64_t ends_s;			 /* wall seconds */
};

enum caller_token_end {
	CALLER_TOKEN_HERE,
	CALLER_TOKEN_AWAY,    /* no answer, or none that could be used: 503 */
	CALLER_TOKEN_REFUSED, /* the identity provider refuses this person or this request: 403
			       */
	CALLER_TOKEN_LOGIN    /* the caller has to log in again: 401 */
};

/* One question. owner: the worker until caller_token_ask(), then the thread, then the worker
 * again, when `back` runs. */
struct caller_ask {
	/* set by the worker; the views must last until `back` runs */
	void (*back)(struct caller_ask *ask);
	void *exchange;
	struct mailbox *to;
	struct auth *auth;
	struct span token;  /* the caller's verified token */
	struct span person; /* the person of the token, for consents */
	int64_t expires_s;  /* wall seconds: the end of the caller's token; 0: never */
	/* set by the thread */
	enum caller_token_end end;
	char *value; /* the token with "Bearer "; caller_ask_clear() erases it */
	size_t n;
	struct caller_token_facts facts;
	char why[256]; /* for the caller and the record; no secret */
	/* LOGIN: the WWW-Authenticate header's value, with the identity provider's error and
	 * claims (RFC 6750 3); empty: none */
	char challenge[4096];
	struct mail mail;
	struct caller_ask *next; /* in the entry's list of those who wait */
};

/* True if requests with this credential need the caller's token. `a` may be NULL. */
bool auth_asks_caller(const struct auth *a);

/* Asks for the token. `back` runs exactly once, also while the daemon stops, within
 * CALLER_ASK_US and the time that mail takes. */
void caller_token_ask(struct caller_ask *ask);
/* Erases the answer. */
void caller_ask_clear(struct caller_ask *ask);
/* Erases all tokens that are kept, because a person, key, session or token may have been
 * revoked. The next calls ask again. Any thread. */
void caller_tokens_forget(struct auths *s);

enum { CALLER_ASK_US = 2000000 };

#endif
