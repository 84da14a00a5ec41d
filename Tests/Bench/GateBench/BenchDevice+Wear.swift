// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletEnvelope
import MartletSenML
import MartletSession
import MartletTelemetry
import MartletTestKit

extension BenchDevice {
    /// A reading of 100 bytes each second: its name has 10 of them.
    func report(seconds: Int) throws(BenchError) {
        let name = bytes("vibrations")
        let value = [UInt8](repeating: 0x5a, count: 90)
        var buffer = ReadingBuffer(limits: limits)
        var batch = ReadingBatch(limits: limits)
        measure_pause()
        (storage.syncs, storage.created) = (0, 0)
        for second in 0..<seconds {
            if buffer.take(now: clock.boot, force: false, emptied: &batch), !engine.close(&batch, .normal, clock.sample)
            {
                throw BenchError()
            }
            guard
                let _ = try? buffer.append(
                    name: name.span, unit: Span(), value: .data(value.span), time: clock.boot)
            else { throw BenchError() }
            goOn()
            goOn()
            if second % 5 == 4 { measure_pause() }
        }
    }
}
