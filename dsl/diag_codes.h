/* Every diagnostic: X(code, severity, NAME, title). The number is for ever: a code that goes out of use is not given to another.
 * No include guard: included once for each list that is made from it, with X defined.
 *
 * Numbers are written without leading zeros (a leading zero would be octal); they are shown as E0001 or W0701. */

/* ---- lexical and syntax errors, 1 - 99 */
X(1, ECC_ERROR, E_CHARACTER, "character that no word begins with")
X(2, ECC_ERROR, E_UNTERMINATED_STRING, "string without an end")
X(3, ECC_ERROR, E_UNTERMINATED_SQL, "SQL text without an end")
X(4, ECC_ERROR, E_UNTERMINATED_RAW, "parenthesis without an end")
X(5, ECC_ERROR, E_ESCAPE, "unknown escape in a string")
X(6, ECC_ERROR, E_NUMBER, "number that can't be read or is out of range")
X(7, ECC_ERROR, E_WORD, "word whose spelling follows no convention")
X(8, ECC_ERROR, E_TOO_DEEP, "nesting too deep")
X(9, ECC_ERROR, E_SOURCE, "text that can't be read as a source")
X(10, ECC_ERROR, E_SYNTAX, "syntax error")
X(11, ECC_ERROR, E_UNCLOSED, "bracket without an end")
X(12, ECC_ERROR, E_UNOPENED, "bracket without a beginning")
X(13, ECC_ERROR, E_SPELLING, "name in the wrong spelling for its place")
X(14, ECC_ERROR, E_UNKNOWN_TYPE_WORD, "unknown type")
X(15, ECC_ERROR, E_UNKNOWN_FUNCTION, "unknown function")
X(16, ECC_ERROR, E_TWICE, "part that may be given once")
X(17, ECC_ERROR, E_METHOD, "unknown HTTP method")
X(18, ECC_ERROR, E_CALL_IN_EXPRESSION, "call inside an expression")
X(19, ECC_ERROR, E_MISPLACED, "part that does not belong here")
X(20, ECC_ERROR, E_BOUNDS, "bounds in the wrong order")

/* ---- names, types, SQL and rules, 100 - 699 (resolve) */

/* ---- warnings, 701 - 799 (resolve) */
