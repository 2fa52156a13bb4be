/* Service tokens: who calls, proven to whom, for a minute.
 *
 * JWT signed with ES256, `typ` ecom-service+jwt, iss the caller, kid its key (the caller's name, or that and `.SOMETHING`), aud the callee. Tokens that were signed or verified are kept until
 * shortly before they expire, so a call costs neither signature nor verification.
 */
#ifndef EC_TOKEN_H
#define EC_TOKEN_H

#include "app.h"

/* Reads EC_SERVICE_KEY (to sign) or EC_SERVICE_KEYS (to verify). May be called by several modules; each is read once. */
void ec_token_configure_sign(struct ec_app *app, struct ec_config_errors *errors);
void ec_token_configure_verify(struct ec_app *app, struct ec_config_errors *errors);

/* The token for calls to `audience`, good for at least 15 s more; valid until the next call of this function. n 0: it could not be signed.
 */
struct ec_str ec_token_for(const char *audience);

/* Who made this token for us: the name (lives as long as the process), or NULL when it is not valid. */
const char *ec_token_caller(struct ec_str token);

void ec_token_stop(void); /* frees keys and what is kept */

#endif
