/* Session ids of MCP, and handles by which realtime sessions are resumed. With a server's own
 * id, anyone who has the id could act as another person. A client therefore receives the
 * server's id and a tag that binds the id to the client's identity. The tag is valid on every
 * daemon that has the key, also after a restart. The daemon stores nothing. Any thread. */
#ifndef SCAN_MCP_SESSION_H
#define SCAN_MCP_SESSION_H

#include "base/arena.h"
#include "base/sha256.h"
#include "base/span.h"

/* The identity that a session is bound to. Each may be empty. */
struct mcp_session_of {
	struct span person, agent, route, server;
};
/* Derives the key of one identity's sessions from the daemon's key. */
void mcp_session_key(const unsigned char key[SHA256_BYTES], const struct mcp_session_of *of,
	unsigned char out[SHA256_BYTES]);

/* Returns the client's id for a server's id, in the arena. Empty: the id has characters other
 * than visible ASCII (which the specification requires), is longer than 1,024 bytes, or no
 * memory. */
struct span mcp_session_bind(
	const unsigned char of[SHA256_BYTES], struct span id, struct arena *a);
/* Finds the server's id in a client's id. *id is a view of `given`. Returns false if the id was
 * issued to another identity, or not by this gateway. */
bool mcp_session_check(
	const unsigned char of[SHA256_BYTES], struct span given, struct span *id);

/* Seals a text, so that reading and making it require the identity's key. Returns, in the arena,
 * base64url of a nonce and the encrypted bytes (XSalsa20-Poly1305). Empty: longer than
 * MCP_SEALED_MAX bytes, or no memory. */
enum { MCP_SEALED_MAX = 6144 };
struct span mcp_seal(const unsigned char of[SHA256_BYTES], struct span text, struct arena *a);
/* Returns the text of a sealed one, in the arena. p NULL: it was sealed with another key, was
 * changed, or no memory. */
struct span mcp_unseal(
	const unsigned char of[SHA256_BYTES], struct span given, struct arena *a);

#endif
