/* Helpers for tests of attempts: a plan after which another may follow, and provider
 * responses. */
#ifndef SCENARIO_RELAY_ATTEMPTS_H
#define SCENARIO_RELAY_ATTEMPTS_H

#include "scenario/relay_stage.h"

#define ERROR(status, doc)                                                                     \
	"HTTP/1.1 " status "\r\ncontent-type: application/json\r\ncontent-length: " doc
#define BUSY	  ERROR("503 Busy", "13\r\nretry-after: 3\r\n\r\n{\"error\":\"x\"}")
#define OK_ANSWER DOWN_HEAD "content-length: 2\r\n\r\nok"
#define OK_HEARD  DOWN_HEAD FIELDS "content-length: 2\r\n\r\nok"
#define STREAM                                                                                 \
	"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: "            \
	"chunked\r\n\r\n"
#define ROLE   "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define TEXT   "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n"
#define FAILED "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"
#define EMPTY                                                                                  \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
#define DONE  "data: [DONE]\n\n"
#define HELLO POST("content-length: 5\r\n") "hello"

/* Starts the relay with a gate that has a replaced body and this many attempts. */
void attempts_start(struct stage *s, unsigned attempts);

/* Accepts the connection of the next attempt and waits until its request has arrived. */
struct peer attempts_accept(struct stage *s);

#endif
