/* Responses of several MCP servers as one: the entries of their lists, with names that tell the
 * servers apart, and the results of their handshakes. Pure; any thread. */
#ifndef SCAN_MCP_JOIN_H
#define SCAN_MCP_JOIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

/* Between a server's name and the name of its tool. */
#define MCP_JOIN_BETWEEN "__"

/* Lists that are joined: their member in a result, and in capabilities. */
enum mcp_join_list { MCP_JOIN_TOOLS, MCP_JOIN_PROMPTS, MCP_JOIN_LISTS };
extern const char *const mcp_join_lists[MCP_JOIN_LISTS];

/* The parts of a server's response that are joined. Spans point into the response or into the arena. */
struct mcp_joined {
	bool found; /* a message with the id and a result was read */
	bool error; /* a message with the id and an error was read */
	size_t entries;		/* appended entries */
	struct span next;	/* result.nextCursor, decoded; empty: none */
	struct span version;	/* result.protocolVersion, decoded; empty: none */
	bool has[MCP_JOIN_LISTS]; /* result.capabilities has it */
};

/* Reads a response: one message of JSON, or an event stream (`events`) with the message that
 * has the id (as written) among others. Appends the entries of the result's `list` to *out, separated
 * by commas, each with `server` and MCP_JOIN_BETWEEN before its name. An entry without a name is
 * left out. Returns 0, ERR_NOMEM or ERR_SYNTAX; then *out may have a part of the entries. */
int mcp_join_read(struct span response, bool events, struct span id, struct span server,
	enum mcp_join_list list, struct arena *a, struct buf *out, struct mcp_joined *is);

/* Appends a tools/call or prompts/get message to *out as its server knows it: without the first `n` decoded
 * bytes of params.name. Returns 0, ERR_NOMEM or ERR_SYNTAX (no such name). */
int mcp_join_unname(struct span message, size_t n, struct arena *a, struct buf *out);

/* Returns a member of an object as it is written, if it is a string (with its quotes) or a
 * number. Empty: neither, no such member, or no JSON. */
struct span mcp_join_member(struct span object, const char *name, struct arena *a);

#endif
