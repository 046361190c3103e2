/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * HTTP requests that an exit does for a circuit, and their answers in parts. Source: protocol
 * section 22.1. Thread: any.
 *
 * Parsers take the body AFTER the message id byte and ignore extra bytes after the last field. They
 * return 0 or -EBADMSG, and what they fill in borrows the caller's bytes.
 */

#include "peel_cell.h"

struct peel_msg_http_request {
	uint32_t identifier;
	struct peel_host target;
	struct peel_span request; /* as the client sent it, not checked here */
};

struct peel_msg_http_response {
	uint32_t identifier;
	uint16_t part; /* less than total */
	uint16_t total;
	struct peel_span response;
};

/** Parse http-request. */
int peel_http_request_parse(
	const uint8_t *body, size_t len, struct peel_msg_http_request *out) PEEL_MUST_USE;
/** Parse http-response. -EBADMSG also if `part` is not less than `total`. */
int peel_http_response_parse(
	const uint8_t *body, size_t len, struct peel_msg_http_response *out) PEEL_MUST_USE;

/* Builders write the message id and the body. They return the length or -ENOSPC. */

/** Build http-request. */
int peel_http_request_build(uint8_t *out, size_t size, const struct peel_msg_http_request *m);
/** Build http-response. */
int peel_http_response_build(uint8_t *out, size_t size, const struct peel_msg_http_response *m);
