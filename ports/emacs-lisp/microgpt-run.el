;;; microgpt-run.el --- Random numbers, datasets and whole runs  -*- lexical-binding: t -*-

;;; Code:

(eval-when-compile (require 'subr-x))
(require 'microgpt-model)

(define-error 'mg-refusal "The request or the dataset cannot be used")

(defun mg-refuse (reason &rest values)
  "Signal that REASON, a format for VALUES, forbids to go on."
  (signal 'mg-refusal (list (apply #'format reason values))))

;;;; Random numbers (SPEC, section 3)

(cl-defstruct (mg-twister (:constructor mg-twister)) words index kept)

(defsubst mg--word32 (n)
  "N modulo 2^32."
  (logand n #xffffffff))

(defun mg-seeded (seed)
  "A new generator from the word SEED."
  (let ((mt (make-vector 624 19650218)) (i 1))
    (cl-flet* ((mixed (i) (let ((before (aref mt (1- i)))) (logxor before (ash before -30))))
               (stir (factor plus)
                 (aset mt i (mg--word32 (+ (logxor (aref mt i) (* (mixed i) factor)) plus)))
                 (cl-incf i)
                 (when (= i 624)
                   (aset mt 0 (aref mt 623))
                   (setq i 1))))
      (cl-loop for i from 1 below 624
               do (aset mt i (mg--word32 (+ (* 1812433253 (mixed i)) i))))
      (dotimes (_ 624) (stir 1664525 seed))
      (dotimes (_ 623) (stir 1566083941 (- i))))
    (aset mt 0 #x80000000)
    (mg-twister :words mt :index 624)))

(defun mg--renew (mt)
  "Make 624 new words of the words MT."
  (dotimes (i 624)
    (let ((y (logior (logand (aref mt i) #x80000000)
                     (logand (aref mt (mod (1+ i) 624)) #x7fffffff))))
      (aset mt i (logxor (aref mt (mod (+ i 397) 624)) (ash y -1) (if (cl-oddp y) #x9908b0df 0))))))

(defun mg-word (twister)
  "The next word of TWISTER."
  (when (= (mg-twister-index twister) 624)
    (mg--renew (mg-twister-words twister))
    (setf (mg-twister-index twister) 0))
  (let* ((y (aref (mg-twister-words twister) (1- (cl-incf (mg-twister-index twister)))))
         (y (logxor y (ash y -11)))
         (y (logxor y (logand (ash y 7) #x9d2c5680)))
         (y (logxor y (logand (ash y 15) #xefc60000))))
    (logxor y (ash y -18))))

(defun mg-random (twister)
  "A number from 0 to 1, 1 excluded."
  (let* ((a (ash (mg-word twister) -5))
         (b (ash (mg-word twister) -6)))
    (/ (float (+ (* a 67108864) b)) 9007199254740992.0)))

(defun mg-gauss (twister sigma)
  "A number of the normal distribution with the deviation SIGMA."
  (let ((z (mg-twister-kept twister)))
    (if z
        (setf (mg-twister-kept twister) nil)
      (let* ((x (* (mg-random twister) 6.283185307179586))
             (r (sqrt (* -2.0 (mg-log (- 1.0 (mg-random twister)))))))
        (setq z (* (mg-cos x) r))
        (setf (mg-twister-kept twister) (* (mg-sin x) r))))
    (+ 0.0 (* z sigma))))

(defun mg--below (twister n)
  "An integer from 0 to N - 1."
  (let ((drop (- (1+ (logb n)) 32)))
    (cl-loop for value = (ash (mg-word twister) drop)
             when (< value n) return value)))

(defun mg-shuffle (twister items)
  "Shuffle the vector ITEMS in place."
  (cl-loop for i from (1- (length items)) above 0
           do (cl-rotatef (aref items i) (aref items (mg--below twister (1+ i))))))

(defun mg-choice (twister weights)
  "An index into the vector WEIGHTS."
  (let* ((sum nil)
         (cumulative (mg--each (lambda (w) (setq sum (if sum (+ sum w) w))) weights))
         (total (+ sum 0.0)))
    (unless (< 0.0 total mg-infinity)
      (mg-refuse "the weights must add up to a finite number above 0"))
    (let ((u (* (mg-random twister) total)) (low 0) (high (1- (length weights))))
      (while (< low high)
        (let ((middle (/ (+ low high) 2)))
          (if (< u (aref cumulative middle))
              (setq high middle)
            (setq low (1+ middle)))))
      low)))

;;;; Datasets (SPEC, section 4)

(defun mg--strip (line)
  "The vector of code points LINE without ASCII white space at its ends."
  (let ((start 0) (end (length line)))
    (cl-flet ((blank (i) (memq (aref line i) '(9 10 11 12 13 32))))
      (while (and (< start end) (blank start)) (cl-incf start))
      (while (and (< start end) (blank (1- end))) (cl-decf end)))
    (substring line start end)))

(defun mg-documents (lines)
  "The vector of the documents in LINES.
Both are vectors of code points."
  (let ((documents (delete [] (mapcar #'mg--strip lines))))
    (unless documents (mg-refuse "the dataset has no documents"))
    (vconcat documents)))

(defun mg-characters (documents)
  "The vector of the distinct code points of DOCUMENTS, sorted."
  (let ((known (make-hash-table)))
    (mapc (lambda (document) (mapc (lambda (c) (puthash c t known)) document)) documents)
    (when (> (hash-table-count known) 2047)
      (mg-refuse "the dataset has more than 2047 distinct characters"))
    (vconcat (sort (hash-table-keys known) #'<))))

(defun mg-encoder (characters)
  "A function from a document to its tokens by the vector CHARACTERS."
  (let ((tokens (make-hash-table)) (bos (vector (length characters))))
    (dotimes (i (length characters))
      (puthash (aref characters i) i tokens))
    (lambda (document)
      (vconcat bos (mg--each (lambda (c) (gethash c tokens)) document) bos))))

;;;; Whole runs (SPEC, section 10)

(defconst mg-presets
  '(("seed" :block 8 :sigma 0.02 :sigma-out 0.0 :squared t :beta1 0.9 :beta2 0.95 :schedule cosine :steps 500)
    ("classic" :block 16 :sigma 0.08 :sigma-out 0.08 :beta1 0.85 :beta2 0.99 :schedule linear :steps 1000))
  "What the presets do not have in common.")

(defun mg-decimals (x)
  "The text of X with four decimals."
  (cond ((isnan x) "nan")
        ((= x mg-infinity) "inf")
        ((= x (- mg-infinity)) "-inf")
        (t (format "%.4f" x))))

(cl-defun mg-run (lines steps samples print
                        &key block sigma sigma-out squared beta1 beta2 schedule &allow-other-keys)
  "Train STEPS steps on LINES and draw SAMPLES, as the keys of a preset say.
Each line is handed to PRINT.  Return the model, its moments and the generator."
  (let* ((twister (mg-seeded 42))
         (documents (mg-documents lines))
         (_ (mg-shuffle twister documents))
         (characters (mg-characters documents))
         (encode (mg-encoder characters))
         (shape (mg-shape :layers 1 :heads 4 :embedding 16 :block block
                          :vocabulary (1+ (length characters)) :squared squared
                          :attend (mg-tabulate (time block) (number-sequence 0 time))))
         (doubles (cl-loop for (name rows columns) in (mg-matrices shape)
                           for deviation = (if (member name '("layer0.attn_wo" "layer0.mlp_fc2")) sigma-out sigma)
                           vconcat (mg-tabulate (i (* rows columns)) (mg-gauss twister deviation))))
         (model (mg-new-model shape doubles))
         (m (make-vector (length doubles) 0.0))
         (v (make-vector (length doubles) 0.0))
         (settings (mg-settings :learning-rate 0.01 :beta1 beta1 :beta2 beta2 :epsilon 1e-8
                                :schedule schedule :steps steps)))
    (cl-flet ((say (&rest arguments) (funcall print (apply #'format arguments))))
      (say "num docs: %d" (length documents))
      (say "vocab size: %d" (mg-shape-vocabulary shape))
      (say "num params: %d" (length doubles))
      (dotimes (s steps)
        (let ((document (funcall encode (aref documents (mod s (length documents))))))
          (say "step %4d / %4d | loss %s" (1+ s) steps
               (mg-decimals (mg-step settings s model document m v)))))
      (say "")
      (say "--- inference (new, hallucinated names) ---")
      (dotimes (i samples)
        (let ((tokens (mg-sample model 0.5 (lambda (weights) (mg-choice twister weights)))))
          (say "sample %2d: %s" (1+ i) (concat (mapcar (lambda (token) (aref characters token)) tokens))))))
    (list model m v twister)))

(provide 'microgpt-run)

;; Local Variables:
;; read-symbol-shorthands: (("mg-" . "microgpt-"))
;; End:

;;; microgpt-run.el ends here
