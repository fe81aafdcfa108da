// SPDX-License-Identifier: Apache-2.0

import NativeElements
import Testing

struct ExpressionTests {
    private let datum = Value.map(
        ValueMap([
            ("value", .int(4)), ("station", .string("ABC")), ("depth", .double(2.5)), ("codes", .list([.string("x"), .int(7)])),
            ("at", .map(ValueMap([("lat", .double(-1))]))),
        ]))

    @Test(arguments: [
        ("value > 3 and station == 'ABC'", Value.bool(true)),
        ("value > 3 and not station == \"ABC\"", .bool(false)),
        ("1 < value <= 4", .bool(true)),
        ("value + depth * 2", .double(9)),
        ("(value + 1) * -2", .int(-10)),
        ("7 // 2, ", .null),
        ("-7 // 2", .int(-4)),
        ("-7 % 3", .int(2)),
        ("7 / 2", .double(3.5)),
        ("str(value * 9223372036854775807)", .string("36893488147419103228")),
        ("codes[-1] + codes[1]", .int(14)),
        ("item['station'] + '!'", .string("ABC!")),
        ("at.lat < 0", .bool(true)),
        ("'x' in codes and 'y' not in codes", .bool(true)),
        ("station in ['ABC', 'DEF']", .bool(true)),
        ("'far' if depth > 3 else 'near'", .string("near")),
        ("len(codes) + len(station)", .int(5)),
        ("min(value, depth) + max([1, 3])", .double(5.5)),
        ("lower(station) + upper('x') + strip('  y ')", .string("abcXy")),
        ("contains(station, 'B') and startswith(station, 'A') and endswith(station, 'C')", .bool(true)),
        ("like(station, 'A*') and not like(station, '?') and like(station, '[A-C][!x]*')", .bool(true)),
        ("has(item, 'value') and not has(item, 'nope')", .bool(true)),
        ("int('12') + float('0.5')", .double(12.5)),
        ("str(value) + str(1.5)", .string("41.5")),
        ("round(2.5) + round(3.5)", .int(6)),
        ("round(1.2345, 2)", .double(1.23)),
        ("abs(-3) + floor(1.9) + ceil(1.1) + sqrt(16)", .double(10)),
        ("None == null and True", .bool(true)),
        ("nope or 3", .null),
        ("value or nope", .int(4)),
    ])
    func isComputed(text: String, expected: Value) throws {
        guard expected != .null else {
            #expect(throws: (any Error).self) { try Expression(text).evaluate(datum) }
            return
        }
        let value = try Expression(text).evaluate(datum)
        #expect(value == expected)
        #expect(value.typeName == expected.typeName)
    }

    @Test func namesMeanTheDatumWhereItIsNoMap() throws {
        #expect(try Expression("value > 3").evaluate(.int(4)) == .bool(true))
        #expect(try Expression("item[0] + item[1]").evaluate(.tuple([.int(1), .int(2)])) == .int(3))
    }

    @Test(arguments: [
        ("", 1, "the expression is empty"), ("value >", 8, "ends where a value is due"), ("value = 3", 7, "compare with '=='"),
        ("a b", 3, "'b' stands where an operator is due"), ("'abc", 1, "is not closed"), ("len()", 1, "takes 1 argument, not 0"),
        ("lenght(value)", 1, "there is no function 'lenght'; the functions are: len, abs"), ("(1", 3, "')' is due"),
        ("3x", 1, "'3x' is no number"),
        ("a && b", 3, "write 'and'"), ("a.3", 2, "stands where"), ("1 if 2", 7, "'else' is due"),
        (String(repeating: "(", count: 100) + "1", 65, "nested more than 64 deep"),
    ])
    func mistakesAreNamedWithColumnAndRemedy(text: String, column: Int, reason: String) throws {
        let error = try #require(throws: ExpressionError.self) { try Expression(text) }
        #expect(error.reason.contains(reason))
        #expect(error.column == column)
    }

    @Test(arguments: [
        ("stattion == 'ABC'", "there is no field 'stattion'; the fields are: value, station, depth, codes, at"),
        ("station > 3", "text and an integer have no order"), ("station * 2", "'*' does not go with text and an integer"),
        ("1 / 0", "division by zero"), ("codes[5]", "there is no item 5 in a list of 2"), ("len(3)", "len() does not go with an integer"),
    ])
    func dataThatDoNotFitAreNamed(text: String, reason: String) throws {
        let expression = try Expression(text)
        let error = try #require(throws: NativeError.self) { try expression.evaluate(datum) }
        #expect(error.description.contains(reason))
        #expect(error.description.contains(text))
    }
}
