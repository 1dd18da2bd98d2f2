import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.DoubleStream;

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), seeded as Python does, and what is drawn from it. */
final class Twister {
    static final int SIZE = 624;

    final int[] words; // as unsigned numbers
    int index;
    OptionalDouble kept;

    Twister(int[] words, int index, OptionalDouble kept) {
        this.words = words;
        this.index = index;
        this.kept = kept;
    }

    Twister(int seed) {
        this(new int[SIZE], SIZE, OptionalDouble.empty());
        words[0] = 19650218;
        for (var i = 1; i < SIZE; i++) words[i] = scrambled(i - 1, 1812433253) + i;
        for (var step = 0; step < 2 * SIZE - 1; step++) {
            var i = step % (SIZE - 1) + 1;
            words[i] = step < SIZE
                    ? (words[i] ^ scrambled(i - 1, 1664525)) + seed
                    : (words[i] ^ scrambled(i - 1, 1566083941)) - i;
            words[0] = words[SIZE - 1];
        }
        words[0] = 0x80000000;
    }

    private int scrambled(int i, int factor) { return (words[i] ^ words[i] >>> 30) * factor; }

    private void renew() {
        for (var i = 0; i < SIZE; i++) {
            var y = words[i] & 0x80000000 | words[(i + 1) % SIZE] & 0x7fffffff;
            words[i] = words[(i + 397) % SIZE] ^ y >>> 1 ^ (y & 1) * 0x9908b0df;
        }
        index = 0;
    }

    int word() {
        if (index == SIZE) renew();
        var y = words[index++];
        y ^= y >>> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        return y ^ y >>> 18;
    }

    double random() {
        double a = word() >>> 5, b = word() >>> 6;
        return (a * 67108864.0 + b) / 9007199254740992.0;
    }

    /** Normal numbers (Box and Muller, 1958). They come in pairs; the second one is kept. */
    double gauss(double sigma) {
        var z = kept;
        kept = OptionalDouble.empty();
        if (z.isEmpty()) {
            var angle = random() * (2.0 * Math.PI);
            var radius = Math.sqrt(-2.0 * Exact.log(1.0 - random()));
            z = OptionalDouble.of(Exact.cos(angle) * radius);
            kept = OptionalDouble.of(Exact.sin(angle) * radius);
        }
        return 0.0 + z.getAsDouble() * sigma;
    }

    DoubleStream gauss(int count, double sigma) { return DoubleStream.generate(() -> gauss(sigma)).limit(count); }

    int below(int n) {
        while (true) {
            var draw = word() >>> Integer.numberOfLeadingZeros(n);
            if (draw < n) return draw;
        }
    }

    void shuffle(List<?> items) {
        for (var i = items.size() - 1; i > 0; i--) Collections.swap(items, i, below(i + 1));
    }

    int choice(double[] weights) {
        var cumulative = weights.clone();
        for (var i = 1; i < weights.length; i++) cumulative[i] += cumulative[i - 1];
        var total = cumulative[weights.length - 1];
        if (!(total > 0.0 && Double.isFinite(total)))
            throw new Gpt.Problem("expected weights that add up to a finite number above 0");
        var u = random() * total;
        int low = 0, high = weights.length - 1;
        while (low < high) {
            var middle = (low + high) / 2;
            if (u < cumulative[middle]) high = middle;
            else low = middle + 1;
        }
        return low;
    }
}
