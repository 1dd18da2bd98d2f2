(ns microgpt.protocol
  "Requests and replies: lines of words (SPEC, section 11)."
  (:require [clojure.string :as string]
            [microgpt.model :as model :refer [refuse]]))

(set! *warn-on-reflection* true)

(def ^:const longest-line 65536)

(defn words [^String line]
  (when (> (.length line) (long longest-line)) (refuse (str "expected lines of up to " longest-line " bytes")))
  (string/split line #" " -1))

;; A request is a volatile with the lines that are still to be read.

(defn request [lines] (volatile! (seq lines)))

(defn finished? [request] (nil? @request))

(defn next-line!
  "The words of the next line."
  [request]
  (if-let [[line & more] @request]
    (do (vreset! request more)
        (words line))
    (refuse "expected more lines")))

(defn each-line!
  "Hands key and values of all lines that are left to read; there must be one."
  [request read]
  (loop []
    (let [[key & values] (next-line! request)]
      (read key (vec values))
      (when-not (finished? request) (recur)))))

(defn has? [request key]
  (when-let [[^String line] @request]
    (or (= line key) (.startsWith line (str key " ")))))

(defn take!
  "The values of the next line, which must have this key, and so many of them if their number is given."
  ([request key]
   (when-not (has? request key) (refuse (str "expected a line " key)))
   (subvec (next-line! request) 1))
  ([request key n]
   (let [values (take! request key)]
     (when-not (== (count values) (long n)) (refuse (str "expected " n " values of " key)))
     values)))

(defn take-all!
  "The values of one or more lines with this key."
  [request key]
  (loop [all [(take! request key)]]
    (if (has? request key) (recur (conj all (take! request key))) all)))

(defn finish! [request] (when-not (finished? request) (refuse "expected the line end")))

(defn integer [low high word]
  (let [n (if (re-matches #"0|[1-9][0-9]{0,9}" word) (parse-long word) -1)]
    (if (<= (long low) (long n) (long high)) n (refuse (str "expected an integer from " low " to " high)))))

(defn integers [low high words] (mapv #(integer low high %) words))

(defn real [word]
  (when-not (re-matches #"[0-9a-f]{16}" word) (refuse "expected a double of 16 lower-case hex digits"))
  (let [x (Double/longBitsToDouble (Long/parseUnsignedLong word 16))]
    (if (Double/isNaN x) Double/NaN x)))

(defn take-integer! [request key low high] (integer low high (first (take! request key 1))))

(defn take-real! [request key] (real (first (take! request key 1))))

(defn take-choice! [request key choices]
  (let [word (first (take! request key 1))]
    (if (contains? choices word)
      (choices word)
      (refuse (str "expected one of " (string/join ", " (keys choices)))))))

(defn math! [request]
  (when (take-choice! request "math" {"exact" false, "native" true}) (refuse "unsupported")))

(defn tensor!
  "The name, rows, columns and values of the next tensor."
  [request]
  (let [[name rows columns] (take! request "tensor" 3)
        [rows columns] (integers 1 2048 [rows columns])]
    [name rows columns (into [] (mapcat (fn [_] (map real (take! request "row" columns)))) (range rows))]))

(defn named-tensor! [request name rows columns]
  (let [[found & more] (tensor! request)]
    (when-not (= [found (first more) (second more)] [name rows columns])
      (refuse (str "expected the tensor " name " " rows " " columns)))
    (last more)))

(defn tensors!
  "The values of all matrices, each with a prefix to its name."
  [request shape prefix]
  (into [] (mapcat (fn [[name rows columns]] (named-tensor! request (str prefix name) rows columns)))
        (model/matrices shape)))

;; A reply is a StringBuilder.

(defn- hex [n digits]
  (let [short (Long/toHexString n)]
    (str (subs "0000000000000000" 0 (- (long digits) (count short))) short)))

(defn put!
  "A line of a key and its values."
  [^StringBuilder reply key values]
  (.append reply ^String key)
  (doseq [value values]
    (.append reply " ")
    (.append reply (if (double? value) (hex (Double/doubleToLongBits value) 16) (str value)))) ; one NaN for all
  (.append reply "\n"))

(defn put-tensor! [reply name rows columns values]
  (put! reply "tensor" [name rows columns])
  (doseq [row (partition columns values)] (put! reply "row" row)))

(defn put-tensors! [reply prefix shape values]
  (reduce (fn [values [name rows columns]]
            (let [[mine more] (split-at (* (long rows) (long columns)) values)]
              (put-tensor! reply (str prefix name) rows columns mine)
              more))
          values
          (model/matrices shape)))

(defn put-checksum! [reply key values]
  (let [add (fn [[a b] ^long half]
              (let [a (rem (+ (long a) half) 4294967291)]
                [a (rem (+ (long b) a) 4294967291)]))
        [a b] (reduce (fn [sums x]
                        (let [bits (Double/doubleToLongBits x)]
                          (-> sums
                              (add (unsigned-bit-shift-right bits 32))
                              (add (bit-and bits 0xffffffff)))))
                      [1 0]
                      values)]
    (put! reply key [(hex a 8) (hex b 8)])))
