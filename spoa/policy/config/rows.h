/* Macros for rows of config/fields.h. The names are short, so include this file only where rows
 * are defined. */
#ifndef POLICY_CONFIG_ROWS_H
#define POLICY_CONFIG_ROWS_H

#include "policy/config/fields.h"

/* JSON Schema of values */
/* clang-format off */
#define TEXT     "\"type\":[\"string\",\"number\"]"
#define BOOL     "\"type\":\"boolean\""
#define COUNT    "\"type\":\"integer\",\"minimum\":0"
#define NUMBER   "\"type\":\"number\""
#define SCORE    "\"type\":\"number\",\"minimum\":0,\"maximum\":1"
#define DURATION "\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m|h|d)$\""
#define SIZE     "\"type\":[\"string\",\"integer\"],\"pattern\":\"^[0-9]+([kmg]|[KMGT]B)?$\""
/* for a row whose least value is 0 */
#define SIZE_OR_OFF "\"type\":[\"string\",\"integer\"],\"pattern\":\"^([0-9]+([kmg]|[KMGT]B)?|off)$\""
#define SHARE    "\"type\":\"string\",\"pattern\":\"^[0-9]+(\\\\.[0-9]+)?%$\""
#define TEXTS    "\"$ref\":\"#/$defs/texts\""
#define REF(x)   "\"$ref\":\"#/$defs/" x "\""
#define LIST(x)  "\"type\":\"array\",\"items\":{" x "}"
#define MAPOF(x) "\"type\":\"object\",\"additionalProperties\":{" x "}"
#define ONE(x)   "\"enum\":[" x "]"
#define EITHER(x, y) "\"anyOf\":[{" x "},{" y "}]"

/* a value that the section's own code reads, with its JSON Schema */
#define OTHER(json)                        json, .max = 0
/* a value that is read into a member of a struct */
#define AT(type, member)                   offsetof(struct type, member)
#define A_TEXT(type, member)               TEXT, FIELD_TEXT, .place = AT(type, member), .max = 0
#define A_PATH(type, member)               TEXT, FIELD_PATH, .place = AT(type, member), .max = 0
#define A_FILE(type, member)               TEXT, FIELD_FILE, .place = AT(type, member), .max = 0
#define A_TEXT_TO(type, member, most)      TEXT, FIELD_TEXT, .place = AT(type, member), .max = most
#define A_FILE_TO(type, member, most)      TEXT, FIELD_FILE, .place = AT(type, member), .max = most
#define A_BOOL(type, member)               BOOL, FIELD_BOOL, .place = AT(type, member), .max = 0
#define A_COUNT(type, member, min, max)    COUNT, FIELD_COUNT, .place = AT(type, member), min, max
#define A_UNSIGNED(type, member, min, max) COUNT, FIELD_UNSIGNED, .place = AT(type, member), min, max
#define A_DURATION(type, member, min, max) DURATION, FIELD_DURATION, .place = AT(type, member), min, max
#define A_SECONDS(type, member, min, max)  DURATION, FIELD_SECONDS, .place = AT(type, member), min, max
#define A_SIZE(type, member, min, max)     SIZE, FIELD_SIZE, .place = AT(type, member), min, max
#define A_WORD(type, member, words)        NULL, FIELD_WORD, words, .place = AT(type, member), .max = 0
#define A_FLAG(type, member, words)        NULL, FIELD_FLAG, words, .place = AT(type, member), .max = 0
/* clang-format on */

#endif
