/* Session ids, of MCP and of what a realtime session is resumed by. A server's id alone would
 * let whoever has it speak for another person: the id that a client gets is the server's and
 * what binds it to whom it was given, so that it is valid for nobody else, and on every daemon
 * that has the key, after a restart too. Nothing is kept. */
#ifndef SCAN_MCP_SESSION_H
#define SCAN_MCP_SESSION_H

#include "base/arena.h"
#include "base/sha256.h"
#include "base/span.h"

struct mcp_session_of {
	struct span person, agent, route, server;
};
/* What binds the sessions of one of them. */
void mcp_session_key(const unsigned char key[SHA256_BYTES], const struct mcp_session_of *of,
	unsigned char out[SHA256_BYTES]);

/* The client's id for a server's, in the arena. Empty: it is not of visible ASCII (the
 * specification's), too long, or there is no memory. */
struct span mcp_session_bind(
	const unsigned char of[SHA256_BYTES], struct span id, struct arena *a);
/* The server's id in a client's, a view of it. False: it was given to somebody else, or by
 * nobody.
 */
bool mcp_session_check(
	const unsigned char of[SHA256_BYTES], struct span given, struct span *id);

#endif
