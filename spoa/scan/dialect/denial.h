/* A denial, or another error of the gateway, in the words of the caller's API: as a whole
 * response, and as the end of a stream that has begun. The forms are in error.c, and for MCP in
 * scan/mcp/refusal.c. Any thread. */
#ifndef SCAN_DIALECT_DENIAL_H
#define SCAN_DIALECT_DENIAL_H

#include "scan/dialect/dialect.h"
#include "scan/mcp/refusal.h"

/* All views are the caller's. */
struct denial {
	const struct dialect *dialect;
	const char *endpoint; /* the endpoint's name; NULL: unknown */
	int status;	      /* the HTTP status; a stream has none */
	const char *code;     /* NULL: it follows from the status */
	struct span message;  /* must not contain text of the prompt */
	struct span id;	      /* the decision's id */
	/* The refusal of an MCP message as mcp_denied() filled it; NULL: not an MCP message, or
	 * none that waits for a response */
	const struct mcp_refusal *mcp;
	/* MCP: `mcp` also has the code and the reason. Otherwise they follow from `code`. */
	bool worded;
	bool sent; /* MCP: the request was sent, so a tool may have run */
	/* ids of other JSON-RPC requests: dialect_rpc_ids() */
	struct span rpc_ids;
};

/* Appends the error document, one line of JSON. Returns the HTTP status of the response: an MCP
 * client reads most denials only from a response with 200. */
int denial_document(const struct denial *d, struct buf *out);
/* Appends the event that ends a stream, framing included. Without a response to its id, a
 * JSON-RPC client would wait for ever, so each id gets an event. */
void denial_event(const struct denial *d, struct buf *out);
/* Appends the document that ends a stream whose events have no type: JSON lines, a JSON array,
 * AWS frames. Without framing. */
void denial_line(const struct denial *d, struct buf *out);
/* Appends the document of the event that ends a realtime session. Without framing. */
void denial_socket(const struct denial *d, struct buf *out);

#endif
