{-# LANGUAGE OverloadedStrings #-}

-- | The protocol as a pure function from lines to replies (SPEC, section 11).
module Protocol (replies) where

import Control.Monad (join)
import Data.ByteString (ByteString)
import Data.ByteString.Builder (Builder, byteString)
import Lines
import ModelVerbs
import NumberVerbs
import Wire

data Reply
  = Ok ByteString Builder
  | Error ByteString Reason

-- | One reply for each request, made as soon as the request has ended.
replies :: [Line] -> [Builder]
replies [] = []
replies input = reply `seq` rest `seq` rendered reply : replies (drop 1 rest)
  where
    (request, rest) = break isEnd input
    reply = answer (request ++ [CutOff | null rest])

rendered :: Reply -> Builder
rendered (Ok name body) = line "ok" [byteString name] <> body <> line "end" []
rendered (Error name reason) = line "error" [byteString name, byteString reason] <> line "end" []

answer :: [Line] -> Reply
answer [] = Error "-" "expected a verb and an id and got the end"
answer (top : body) = case header top of
  Left reason -> Error "-" reason
  Right (verb, name) -> either (Error name) (Ok name) $ case lookup verb verbs of
    Just parser -> join (parsed parser body)
    Nothing -> Left (if any isCutOff body then "the input ended before the line end" else "unsupported")
  where
    isCutOff CutOff = True
    isCutOff (Line _) = False

-- | In the order of the ladder.
verbs :: [(ByteString, Verb)]
verbs =
  [ ("hello", hello)
  , ("arith", arith)
  , ("math", mathematics)
  , ("random", random)
  , ("tokens", tokens)
  , ("graph", graph)
  , ("forward", forwardVerb)
  , ("backward", backwardVerb)
  , ("adam", adamVerb)
  , ("train", trainVerb)
  , ("sample", sampleVerb)
  , ("run", runVerb)
  ]

hello :: Verb
hello =
  pure . Right $
    line "name" ["haskell"]
      <> line "protocol" ["1"]
      <> line "verbs" (map (byteString . fst) verbs)
      <> line "math" (map (byteString . fst) kindsOfMath)
