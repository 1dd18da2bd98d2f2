--  The port ada of microgpt: a procedure for each verb (SPEC, section 12), and the command line.

with Ada.Command_Line;
with Ada.Exceptions;
with Ada.Strings.Unbounded; use Ada.Strings.Unbounded;
with Ada.Text_IO;
with Exact;                 use Exact;
with GPT;                   use GPT;
with Protocol;              use Protocol;

procedure Microgpt is

   Verbs : constant String := "hello arith math random tokens graph forward backward adam train sample run";
   Other : constant String := "an unknown key, or values that it does not take";

   function Code_Points (Line : String) return Integers is
   begin
      return Points : Integers (1 .. Line'Length) do
         for I in Points'Range loop
            Points (I) := Character'Pos (Line (Line'First + I - 1));
         end loop;
      end return;
   end Code_Points;

   procedure Hello (R : in out Request; Answer : in out Reply) is
   begin
      R.Finish;
      Answer.Put_Line ("name ada");
      Answer.Put_Line ("protocol 1");
      Answer.Put_Line ("verbs " & Verbs);
      Answer.Put_Line ("math exact");
   end Hello;

   function Result_Of_Line (R : Request) return Double is
      X     : constant Doubles := R.Numbers (1);
      Total : Double := 0.0;
   begin
      if R.Is_Line ("add", 2) then
         return X (1) + X (2);
      elsif R.Is_Line ("sub", 2) then
         return X (1) - X (2);
      elsif R.Is_Line ("mul", 2) then
         return X (1) * X (2);
      elsif R.Is_Line ("div", 2) then
         return X (1) / X (2);
      elsif R.Is_Line ("sqrt", 1) then
         return Square_Root (X (1));
      elsif R.Is_Line ("muladd", 3) then
         return X (1) * X (2) + X (3);
      elsif R.Key = "sum" and then X'Length > 0 then
         for Each of X loop
            Total := Total + Each;
         end loop;
      elsif R.Key = "dot" and then X'Length > 0 and then X'Length mod 2 = 0 then
         for I in 1 .. X'Length / 2 loop
            Total := Total + X (2 * I - 1) * X (2 * I);
         end loop;
      else
         raise Bad_Request with Other;
      end if;
      return Total;
   end Result_Of_Line;

   procedure Arith (R : in out Request; Answer : in out Reply) is
   begin
      loop
         R.Take_Next;
         if R.Is_Line ("decimals", 1) then
            if abs R.Number (1) > 2.0 ** 53 and then Is_Finite (R.Number (1)) then
               raise Bad_Request with "decimals takes |x| up to 2^53";
            end if;
            Answer.Put ("decimals", Code_Points (Decimals (R.Number (1))));
         else
            Answer.Put (R.Key, Result_Of_Line (R));
         end if;
         exit when R.At_End;
      end loop;
   end Arith;

   --  The second value, which must be an integer or half-integer.
   function Exponent (R : Request; Limit : Double) return Double is
      C : constant Double := R.Number (2);
   begin
      if Is_NaN (C) or else abs C > Limit or else Double'Truncation (2.0 * C) /= 2.0 * C then
         raise Bad_Request with "an exponent is an integer or half-integer up to" & Integer (Limit)'Image;
      end if;
      return C;
   end Exponent;

   procedure Math (R : in out Request; Answer : in out Reply) is
   begin
      R.Take_Math;
      loop
         R.Take_Next;
         declare
            X : constant Double := R.Number (1);
            Y : constant Double :=
              (if R.Is_Line ("exp", 1) then Exp (X)
               elsif R.Is_Line ("log", 1) then Log (X)
               elsif R.Is_Line ("sin", 1) and then not (abs X > 8.0) then Sin (X)
               elsif R.Is_Line ("cos", 1) and then not (abs X > 8.0) then Cos (X)
               elsif R.Is_Line ("pow", 2) then Pow (X, Exponent (R, 4096.0))
               else raise Bad_Request with Other);
         begin
            Answer.Put (R.Key, Y);
         end;
         exit when R.At_End;
      end loop;
   end Math;

   procedure Put_Words (Answer : in out Reply; Key : String; T : in out Twister; Count : Natural) is
      Line : Unbounded_String := To_Unbounded_String (Key);
   begin
      for I in 1 .. Count loop
         Append (Line, T.Draw'Image);  --  which begins with a space
      end loop;
      Answer.Put_Line (To_String (Line));
   end Put_Words;

   procedure Random (R : in out Request; Answer : in out Reply) is
      T : Twister;

      procedure Put_State is
         Line : Unbounded_String := To_Unbounded_String ("state" & T.Index'Image);
      begin
         for Each of T.State loop
            Append (Line, Each'Image);
         end loop;
         Answer.Put_Line (To_String (Line));
         if T.Has_Kept then
            Answer.Put ("kept", T.Kept);
         else
            Answer.Put_Line ("kept none");
         end if;
      end Put_State;
   begin
      R.Take_Math;
      R.Take ("seed");
      if R.Count /= 1 then
         raise Bad_Request with "seed takes one value";
      end if;
      T := Seeded (GPT.Word (R.Whole (1, 0, 2 ** 32 - 1)));
      loop
         R.Take_Next;
         if R.Is_Line ("state", 0) then
            Put_State;
         elsif R.Is_Line ("shuffle", 1) then
            declare
               Items : Integers := T.Shuffled (Integer (R.Whole (1, 0, 10_000)));
            begin
               for Each of Items loop
                  Each := Each - 1;
               end loop;
               Answer.Put ("shuffle", Items);
            end;
         else
            declare
               Count : constant Natural := Integer (R.Whole (1, 0, 1000));
            begin
               if R.Is_Line ("words", 1) then
                  Put_Words (Answer, "words", T, Count);
               elsif R.Is_Line ("random", 1) then
                  Answer.Put ("random", Doubles'[for I in 1 .. Count => T.Random]);
               elsif R.Is_Line ("gauss", 2) then
                  declare
                     Sigma : constant Double := R.Number (2);
                  begin
                     Answer.Put ("gauss", Doubles'[for I in 1 .. Count => T.Gauss (Sigma)]);
                  end;
               elsif R.Key = "choices" and then R.Count in 2 .. 1001 then
                  declare
                     Weights : constant Doubles := R.Numbers (2);
                  begin
                     Answer.Put ("choices", Integers'[for I in 1 .. Count => T.Choice (Weights)]);
                  end;
               else
                  raise Bad_Request with Other;
               end if;
            end;
         end if;
         exit when R.At_End;
      end loop;
   end Random;

   --  The documents of the last lines.
   function Take_Dataset (R : in out Request) return Integer_Lists.Vector is
   begin
      return Documents : Integer_Lists.Vector do
         loop
            R.Take ("line");
            declare
               Line : constant Integers := R.Wholes (0, 16#10_ffff#);
            begin
               if Line'Length > 10_000 or else (for some Point of Line => Point in 16#d800# .. 16#dfff#) then
                  raise Bad_Request with "a line has at most 10000 code points, and no surrogates";
               end if;
               Add_Document (Documents, Line);
            end;
            exit when R.At_End;
         end loop;
      end return;
   end Take_Dataset;

   procedure Tokens (R : in out Request; Answer : in out Reply) is
      Documents : constant Integer_Lists.Vector := Take_Dataset (R);
      Points    : constant Integers := Vocabulary (Documents);
   begin
      Answer.Put_Line ("documents" & Integer'Image (Documents.Last_Index));
      Answer.Put ("vocabulary", Points);
      Answer.Put_Line ("bos" & Integer'Image (Points'Length));
      for Document of Documents loop
         Answer.Put ("encoded", Encoded (Document, Points));
      end loop;
   end Tokens;

   package Node_Vectors renames Protocol.Integer_Vectors;

   --  The node of the expression in the line taken last.
   function Expression (R : Request; T : in out Tape; Known : Node_Vectors.Vector) return Node is

      function Node_At (Place : Positive) return Node
      is (Known (1 + Integer (R.Whole (Place, 0, Long_Long_Integer (Known.Last_Index) - 1))));

      E : Node;
   begin
      if R.Is_Line ("leaf", 1) then
         return T.Leaf (R.Number (1));
      elsif R.Is_Line ("add", 2) then
         return T.Add (Node_At (1), Node_At (2));
      elsif R.Is_Line ("sub", 2) then
         E := T.Mul (Node_At (2), -1.0);
         return T.Add (Node_At (1), E);
      elsif R.Is_Line ("mul", 2) then
         return T.Mul (Node_At (1), Node_At (2));
      elsif R.Is_Line ("div", 2) then
         E := T.Pow (Node_At (2), -1.0);
         return T.Mul (Node_At (1), E);
      elsif R.Is_Line ("neg", 1) then
         return T.Mul (Node_At (1), -1.0);
      elsif R.Is_Line ("exp", 1) then
         return T.Exp (Node_At (1));
      elsif R.Is_Line ("log", 1) then
         return T.Log (Node_At (1));
      elsif R.Is_Line ("relu", 1) then
         return T.Relu (Node_At (1));
      elsif R.Is_Line ("pow", 2) then
         return T.Pow (Node_At (1), Exponent (R, 1024.0));
      elsif R.Is_Line ("add_number", 2) then
         return T.Add (Node_At (1), R.Number (2));
      elsif R.Is_Line ("sub_number", 2) then
         return T.Add (Node_At (1), -R.Number (2));
      elsif R.Is_Line ("mul_number", 2) then
         return T.Mul (Node_At (1), R.Number (2));
      elsif R.Is_Line ("div_number", 2) then
         return T.Mul (Node_At (1), 1.0 / R.Number (2));
      elsif R.Is_Line ("number_sub", 2) then
         E := T.Mul (Node_At (2), -1.0);
         return T.Add (E, R.Number (1));
      elsif R.Is_Line ("number_div", 2) then
         E := T.Pow (Node_At (2), -1.0);
         return T.Mul (E, R.Number (1));
      elsif R.Key = "sum" and then R.Count > 0 then
         E := T.Add (Node_At (1), 0.0);
         for I in 2 .. R.Count loop
            E := T.Add (E, Node_At (I));
         end loop;
         return E;
      else
         raise Bad_Request with "an unknown expression, or operands that it does not take";
      end if;
   end Expression;

   procedure Graph (R : in out Request; Answer : in out Reply) is
      T     : Tape;
      Known : Node_Vectors.Vector;
      Root  : Natural;
   begin
      R.Take_Math;
      while not R.Next_Is ("root") loop
         R.Take_Next;
         Known.Append (Expression (R, T, Known));
      end loop;
      Root := R.Take_Whole ("root", 0, Known.Last_Index - 1);
      R.Finish;
      T.Backward (Known (Root + 1));
      for N of Known loop
         Answer.Put ("value", T.Value (N));
      end loop;
      for N of Known loop
         Answer.Put ("gradient", T.Gradient (N));
      end loop;
   end Graph;

   function Take_Shape (R : in out Request) return Shape is
   begin
      R.Take_Math;
      return S : Shape do
         S.Layers := R.Take_Whole ("layers", 1, 16);
         S.Heads := R.Take_Whole ("heads", 1, 64);
         S.Embedding := R.Take_Whole ("embedding", 1, 512);
         if S.Embedding mod S.Heads /= 0 then
            raise Bad_Request with "embedding must be a multiple of heads";
         end if;
         S.Block := R.Take_Whole ("block", 1, 1024);
         S.Vocabulary := R.Take_Whole ("vocabulary", 2, 2048);
         S.Is_Squared := R.Take_Choice ("activation", "relu", "squared_relu");
         for T in 0 .. S.Block - 1 loop
            R.Take ("attend");
            declare
               List : constant Integers := R.Wholes (0, T);
            begin
               if List'Length = 0 or else List (List'Last) /= T
                 or else (for some I in 2 .. List'Last => List (I - 1) >= List (I))
               then
                  raise Bad_Request with "attend must increase and end with its own position" & T'Image;
               end if;
               S.Attend.Append (List);
            end;
         end loop;
      end return;
   end Take_Shape;

   function Take_Document (R : in out Request; S : Shape) return Integers is
   begin
      R.Take ("tokens");
      if R.Count < 2 then
         raise Bad_Request with "tokens takes two or more";
      end if;
      return R.Wholes (0, S.Vocabulary - 1);
   end Take_Document;

   procedure Take_Model_And_Document (R : in out Request; Net : in out Model; Document : out Integer_Lists.Vector) is
      S : constant Shape := Take_Shape (R);
   begin
      Document.Append (Take_Document (R, S));
      Net.Make (S, Take_Matrices (R, S, ""));
      R.Finish;
   end Take_Model_And_Document;

   procedure Forward (R : in out Request; Answer : aliased in out Reply) is
      Net      : Model;
      Document : Integer_Lists.Vector;
      Root     : Node;
   begin
      Take_Model_And_Document (R, Net, Document);
      Net.Note := Answer'Unchecked_Access;
      Root := Net.Loss (Document (1));
      Answer.Put ("loss", Net.Line.Value (Root));
   end Forward;

   procedure Backward (R : in out Request; Answer : in out Reply) is
      Net      : Model;
      Document : Integer_Lists.Vector;
      Root     : Node;
   begin
      Take_Model_And_Document (R, Net, Document);
      Root := Net.Loss (Document (1));
      Net.Line.Backward (Root);
      Answer.Put ("loss", Net.Line.Value (Root));
      Put_Matrices (Answer, Net.Form, "", Net.Gradients);
   end Backward;

   function Take_Adam (R : in out Request) return Adam is
   begin
      return A : Adam do
         A.Learning_Rate := R.Take_Number ("learning_rate");
         A.Beta_1 := R.Take_Number ("beta1");
         A.Beta_2 := R.Take_Number ("beta2");
         A.Epsilon := R.Take_Number ("epsilon");
         A.Is_Cosine := R.Take_Choice ("schedule", "linear", "cosine");
         A.Steps := R.Take_Whole ("steps", 1, 4096);
      end return;
   end Take_Adam;

   procedure Update (R : in out Request; Answer : in out Reply) is
      A             : Adam;
      Step          : Natural;
      Rows, Columns : Natural := 0;
      P, G, M, V    : Double_Vectors.Vector;
   begin
      R.Take_Math;
      A := Take_Adam (R);
      Step := R.Take_Whole ("step", 0, A.Steps - 1);
      R.Take_Tensor ("parameters", Rows, Columns, P);
      R.Take_Tensor ("gradients", Rows, Columns, G);
      R.Take_Tensor ("m", Rows, Columns, M);
      R.Take_Tensor ("v", Rows, Columns, V);
      R.Finish;
      A.Update (Step, P, G, M, V);
      Answer.Put ("rate", A.Rate (Step));
      Answer.Put ("correction1", Correction (A.Beta_1, Step));
      Answer.Put ("correction2", Correction (A.Beta_2, Step));
      Answer.Put_Tensor ("m", Rows, Columns, M);
      Answer.Put_Tensor ("v", Rows, Columns, V);
      Answer.Put_Tensor ("parameters", Rows, Columns, P);
   end Update;

   procedure Train (R : in out Request; Answer : in out Reply) is
      S           : constant Shape := Take_Shape (R);
      A           : constant Adam := Take_Adam (R);
      From        : constant Natural := R.Take_Whole ("from", 0, A.Steps - 1);
      Last        : constant Natural := From + R.Take_Whole ("count", 1, A.Steps - From) - 1;
      Full        : Integer_Lists.Vector;
      Documents   : Integer_Lists.Vector;
      Net         : Model;
      M, V, G     : Double_Vectors.Vector;
      Loss        : Double;
   begin
      R.Take ("full");
      Full.Append (R.Wholes (From, Last));
      if (for some I in 2 .. R.Count => Full (1) (I - 1) >= Full (1) (I)) then
         raise Bad_Request with "the steps of full must increase";
      end if;
      loop
         Documents.Append (Take_Document (R, S));
         exit when not R.Next_Is ("tokens");
      end loop;
      Net.Make (S, Take_Matrices (R, S, ""));
      if From = 0 then
         M := Double_Vectors.To_Vector (0.0, Net.Parameters.Length);
         V := M;
      else
         M := Take_Matrices (R, S, "m.");
         V := Take_Matrices (R, S, "v.");
      end if;
      R.Finish;
      for Step in From .. Last loop
         Loss := A.Train (Step, Net, Documents (1 + Step mod Documents.Last_Index), M, V);
         G := Net.Gradients;
         Answer.Put_Line ("step" & Step'Image);
         Answer.Put ("loss", Loss);
         Answer.Put_Checksum ("gradients", G);
         Answer.Put_Checksum ("m", M);
         Answer.Put_Checksum ("v", V);
         Answer.Put_Checksum ("parameters", Net.Parameters);
         if (for some Each of Full (1) => Each = Step) then
            Put_Matrices (Answer, S, "gradients.", G);
            Put_Matrices (Answer, S, "m.", M);
            Put_Matrices (Answer, S, "v.", V);
            Put_Matrices (Answer, S, "parameters.", Net.Parameters);
         end if;
      end loop;
   end Train;

   procedure Sample (R : in out Request; Answer : aliased in out Reply) is
      S           : constant Shape := Take_Shape (R);
      Temperature : constant Double := R.Take_Number ("temperature");
      Samples     : constant Natural := R.Take_Whole ("samples", 0, 1000);
      Net         : Model;
      T           : Twister;
   begin
      Net.Make (S, Take_Matrices (R, S, ""));
      R.Take ("state");
      if R.Count /= 625 then
         raise Bad_Request with "state takes an index and 624 words";
      end if;
      T.Index := Integer (R.Whole (1, 0, 624));
      for I in T.State'Range loop
         T.State (I) := GPT.Word (R.Whole (I + 2, 0, 2 ** 32 - 1));
      end loop;
      R.Take ("kept");
      if R.Count /= 1 then
         raise Bad_Request with "kept takes one value";
      end if;
      T.Has_Kept := R.Word (1) /= "none";
      T.Kept := (if T.Has_Kept then R.Number (1) else 0.0);
      R.Finish;
      Net.Note := Answer'Unchecked_Access;
      for I in 0 .. Samples - 1 loop
         Answer.Put_Line ("sample" & I'Image);
         declare
            Unused : constant Integers := Net.Sample (Temperature, T);
         begin
            null;
         end;
      end loop;
      Put_Words (Answer, "word", T, 1);
   end Sample;

   procedure Run (R : in out Request; Answer : in out Reply) is
      Net     : Model;
      M, V    : Double_Vectors.Vector;
      T       : Twister;
      Is_Seed : Boolean;
      Steps   : Positive;
      Samples : Natural;

      procedure Put_Print (Line : String; Points : Integers) is
      begin
         Answer.Put ("print", Code_Points (Line) & Points);
      end Put_Print;
   begin
      R.Take_Math;
      Is_Seed := not R.Take_Choice ("preset", "seed", "classic");
      Steps := R.Take_Whole ("steps", 1, 4096);
      Samples := R.Take_Whole ("samples", 0, 1000);
      GPT.Run (Is_Seed, Steps, Samples, Take_Dataset (R), Put_Print'Access, Net, M, V, T);
      Answer.Put_Checksum ("parameters", Net.Parameters);
      Answer.Put_Checksum ("m", M);
      Answer.Put_Checksum ("v", V);
      Put_Words (Answer, "word", T, 1);
   end Run;

   procedure Dispatch (R : in out Request; Answer : aliased in out Reply) is
      Verb : constant String := R.Verb;
   begin
      if not R.Is_Complete then
         raise Bad_Request with "the input ended before the line end";
      elsif R.Id = "-" and then Verb = "" then
         raise Bad_Request with "expected a verb and an id";
      end if;
      Answer.Put_Line ("ok " & R.Id);
      if Verb = "hello" then
         Hello (R, Answer);
      elsif Verb = "arith" then
         Arith (R, Answer);
      elsif Verb = "math" then
         Math (R, Answer);
      elsif Verb = "random" then
         Random (R, Answer);
      elsif Verb = "tokens" then
         Tokens (R, Answer);
      elsif Verb = "graph" then
         Graph (R, Answer);
      elsif Verb = "forward" then
         Forward (R, Answer);
      elsif Verb = "backward" then
         Backward (R, Answer);
      elsif Verb = "adam" then
         Update (R, Answer);
      elsif Verb = "train" then
         Train (R, Answer);
      elsif Verb = "sample" then
         Sample (R, Answer);
      elsif Verb = "run" then
         Run (R, Answer);
      else
         raise Bad_Request with "unsupported";
      end if;
   end Dispatch;

   --  The reply is known before it is sent, since a request can be wrong at its last line.
   procedure Answer_Requests is
      Is_There : Boolean;
   begin
      loop
         declare
            R      : Request;
            Answer : aliased Reply;
         begin
            R.Read (Is_There);
            exit when not Is_There;
            begin
               Dispatch (R, Answer);
            exception
               when Problem : Bad_Request =>
                  Answer.Text := Null_Unbounded_String;
                  Answer.Put_Line ("error " & R.Id & " " & Ada.Exceptions.Exception_Message (Problem));
            end;
            Answer.Put_Line ("end");
            Send (Answer.Text);
         end;
      end loop;
   end Answer_Requests;

   --  The command line: UTF-8 in and out.

   function Decoded (Line : Unbounded_String) return Integers is
      Least  : constant array (0 .. 3) of Natural := [0, 16#80#, 16#800#, 16#1_0000#];  --  that takes so many more bytes
      Points : Integers (1 .. Length (Line));
      Count  : Natural := 0;
      I      : Positive := 1;
      More   : Natural;
      Point  : Natural;

      function Byte (Place : Positive) return Natural
      is (if Place > Length (Line) then 0 else Character'Pos (Element (Line, Place)));
   begin
      while I <= Length (Line) loop
         Point := Byte (I);
         case Point is
            when 0 .. 16#7f# =>
               More := 0;
            when 16#c0# .. 16#df# =>
               More := 1;
               Point := Point mod 32;
            when 16#e0# .. 16#ef# =>
               More := 2;
               Point := Point mod 16;
            when 16#f0# .. 16#f7# =>
               More := 3;
               Point := Point mod 8;
            when others =>
               raise Bad_Request with "the input is not UTF-8";
         end case;
         for K in I + 1 .. I + More loop
            if Byte (K) not in 16#80# .. 16#bf# then
               raise Bad_Request with "the input is not UTF-8";
            end if;
            Point := Point * 64 + Byte (K) mod 64;
         end loop;
         if Point < Least (More) or else Point > 16#10_ffff# or else Point in 16#d800# .. 16#dfff# then
            raise Bad_Request with "the input is not UTF-8";
         end if;
         Count := Count + 1;
         Points (Count) := Point;
         I := I + More + 1;
      end loop;
      return Points (1 .. Count);
   end Decoded;

   procedure Print (Line : String; Points : Integers) is
      Text : Unbounded_String := To_Unbounded_String (Line);
      More : Natural;
   begin
      for Point of Points loop
         More := (if Point < 16#80# then 0 elsif Point < 16#800# then 1 elsif Point < 16#1_0000# then 2 else 3);
         Append (Text, Character'Val ((case More is when 0 => 0, when 1 => 16#c0#, when 2 => 16#e0#, when others => 16#f0#)
                                      + Point / 64 ** More));
         for K in reverse 0 .. More - 1 loop
            Append (Text, Character'Val (16#80# + Point / 64 ** K mod 64));
         end loop;
      end loop;
      Append (Text, Character'Val (10));
      Send (Text);
   end Print;

   procedure Run_Preset (Is_Seed : Boolean) is
      Documents : Integer_Lists.Vector;
      Line      : Unbounded_String;
      Is_There  : Boolean;
      Net       : Model;
      M, V      : Double_Vectors.Vector;
      T         : Twister;
   begin
      loop
         Read_Line (Line, Is_There);
         exit when not Is_There;
         Add_Document (Documents, Decoded (Line));
      end loop;
      GPT.Run (Is_Seed, (if Is_Seed then 500 else 1000), 20, Documents, Print'Access, Net, M, V, T);
   end Run_Preset;

   use Ada.Command_Line;
   Preset : constant String := (if Argument_Count = 2 then Argument (2) else "seed");
begin
   if Argument_Count = 0 then
      Answer_Requests;
   elsif Argument_Count > 2 or else Argument (1) /= "run" or else Preset not in "seed" | "classic" then
      raise Bad_Request with "usage: microgpt [run [seed|classic] < names.txt]";
   else
      Run_Preset (Preset = "seed");
   end if;
exception
   when Problem : Bad_Request =>
      Ada.Text_IO.Put_Line (Ada.Text_IO.Standard_Error, "microgpt: " & Ada.Exceptions.Exception_Message (Problem));
      Set_Exit_Status (Failure);
end Microgpt;
