#include "proto/wg_message.h"

#include "base/buf.h"

enum wg_type wg_handshake_type(const uint8_t *data, size_t len)
{
	uint32_t type;

	if (len < 4)
		return 0;
	/* As one number: a reserved byte that is set makes it no type at all. */
	type = load_le32(data);
	if ((type == WG_INITIATION && len == WG_INITIATION_SIZE) ||
	    (type == WG_RESPONSE && len == WG_RESPONSE_SIZE) ||
	    (type == WG_COOKIE_REPLY && len == WG_COOKIE_REPLY_SIZE))
		return (enum wg_type)type;
	return 0;
}
