// SPDX-License-Identifier: Apache-2.0

/// Readings in columns: names to the left, values to the right.
func table(of readings: [Reading]) -> Text {
    var nameWidth = 4
    var valueWidth = 5
    for reading in readings {
        nameWidth = max(nameWidth, reading.name.bytes.count)
        valueWidth = max(valueWidth, System.format(reading.value).bytes.count)
    }
    var text = Text("NAME")
    text.add(blanks: nameWidth - 4 + 2 + valueWidth - 5)
    text.add("VALUE  UNIT\n")
    for reading in readings {
        let value = System.format(reading.value)
        text.add(reading.name)
        text.add(blanks: nameWidth - reading.name.bytes.count + 2 + valueWidth - value.bytes.count)
        text.add(value)
        text.add("  ")
        text.add(reading.unit)
        text.add("\n")
    }
    return text
}
